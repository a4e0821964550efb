"""Too little memory of the devices is explained by the batch."""

import jax
import pytest

from tests import small
from vaegan_jax.training import loop, memory, setup

FULL = 'RESOURCE_EXHAUSTED: Out of memory while trying to allocate 9 bytes.'


def test_a_batch_that_does_not_fit_is_named_with_remedies(
  tmp_path, monkeypatch
):
  def prepare(config, devices):
    raise jax.errors.JaxRuntimeError(f'{FULL}\nhundreds of lines')

  monkeypatch.setattr(setup, 'prepare', prepare)
  with pytest.raises(MemoryError) as error:
    loop.train(small.config(tmp_path), tmp_path / 'run')
  message = str(error.value)
  assert message.startswith('config.batch_size = 8 images of 16x16, ')
  for remedy in ('batch_size', 'recompute', 'data.resident', 'dtype'):
    assert f'config.{remedy}' in message
  assert message.endswith(FULL)
  assert not (tmp_path / 'run').exists()


def test_a_remedy_that_is_in_use_is_not_advised():
  config = small.config(recompute=True, dtype='bfloat16', data__resident=0)
  with pytest.raises(MemoryError) as error, memory.explain_exhaustion(config):
    raise jax.errors.JaxRuntimeError(FULL)
  for name in ('recompute', 'data.resident', 'dtype'):
    assert name not in str(error.value)


def test_other_errors_of_xla_are_left_as_they_are():
  config = small.config()
  with (
    pytest.raises(jax.errors.JaxRuntimeError, match='INTERNAL'),
    memory.explain_exhaustion(config),
  ):
    raise jax.errors.JaxRuntimeError('INTERNAL: a device failed')
