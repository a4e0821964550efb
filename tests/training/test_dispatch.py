"""Several steps in one call: the same run, resumed and stopped alike."""

import math
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests import small
from vaegan_jax.runs import checkpoints, records
from vaegan_jax.training import loop, monitor


def config(cache, many):
  """Gives six steps, calls of four and of two, of a model quick to compile."""
  return small.config(
    cache,
    model='vae',
    steps=6,
    steps_per_dispatch=many,
    save_every=4,
    picture_every=4,
  )


@pytest.fixture(scope='module')
def folder(tmp_path_factory, drawn):
  """Runs of single steps, of four a call, and the latter cut and resumed."""
  folder = tmp_path_factory.mktemp('runs')
  for name, many in (('single', 1), ('whole', 4)):
    loop.train(config(drawn, many), folder / name)
  shutil.copytree(folder / 'whole', folder / 'cut')
  shutil.rmtree(folder / 'cut' / 'checkpoints' / '6')
  loop.train(config(drawn, 4), folder / 'cut')
  return folder


def rows(workdir):
  return records.read_rows(workdir / records.METRICS)


def test_four_steps_a_call_compute_what_single_steps_do(folder):
  single, whole = rows(folder / 'single'), rows(folder / 'whole')
  assert [row['step'] for row in whole] == [1, 2, 3, 4, 5, 6]
  for one, other in zip(single, whole, strict=True):
    assert one.keys() == other.keys()
    for name, value in one.items():
      # Not bit for bit: XLA compiles the body of a loop otherwise.
      assert math.isclose(other[name], value, rel_tol=1e-5), (one, name)


def test_a_run_resumed_between_calls_is_the_same_bit_for_bit(folder):
  states = [checkpoints.load(folder / name)[1] for name in ('whole', 'cut')]
  for state in states:
    state['key'] = jax.random.key_data(state['key'])
  jax.tree.map(np.testing.assert_array_equal, *states)
  for name in (records.METRICS, 'figures/reconstructions.png'):
    one, other = (
      (folder / run / name).read_bytes() for run in ('whole', 'cut')
    )
    assert one == other, name


def observer(folder, **changes):
  settings = small.config(
    steps=40, steps_per_dispatch=4, save_every=4, picture_every=4, **changes
  )
  return monitor.Monitor(
    settings, folder, step=4, images=20, timer=small.timer(4)
  )


def test_the_step_that_is_not_finite_is_named_within_its_call(tmp_path):
  watch = observer(tmp_path)
  watch.record({'llike': jnp.array([1.0, 2.0, jnp.nan, 3.0])}, step=8)
  with pytest.raises(monitor.Diverged, match='llike is nan at step 7'):
    watch.record({'llike': jnp.ones(4)}, step=12)
  watch.close()
  assert [row['step'] for row in rows(tmp_path)] == [5, 6]


def test_any_step_within_a_call_can_be_logged(tmp_path):
  watch = observer(tmp_path, log_every=3)
  for step in (8, 12, 16):
    watch.record({'llike': jnp.arange(step - 3.0, step + 1)}, step=step)
  watch.flush()
  watch.close()
  assert [(r['step'], r['llike']) for r in rows(tmp_path)] == [
    (6, 6),
    (9, 9),
    (12, 12),
    (15, 15),
  ]
