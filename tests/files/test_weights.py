"""Weights files: equal arrays come back, anything else is a ValueError."""

import json
import pathlib

import numpy as np
import pytest
from safetensors import numpy as safetensors_numpy

from tests import fuzzing
from tests.data.numbered import Numbered
from vaegan_jax.data import cache
from vaegan_jax.evaluation.features import inception
from vaegan_jax.files import weights

ABOUT = {'version': 1}
WEIGHTS = {'a/b': np.eye(3, dtype=np.float32), 'c': np.ones(())}


@pytest.fixture(autouse=True)
def nothing_is_unpickled(monkeypatch, unchecked):
  fuzzing.forbid_pickles(monkeypatch)


def whole():
  plain = {name: np.asarray(x, order='C') for name, x in WEIGHTS.items()}
  text = json.dumps({**ABOUT, 'sha256': weights._digest(plain)})
  return safetensors_numpy.save(plain, metadata={'about': text})


def with_about(text):
  return safetensors_numpy.save(dict(WEIGHTS), metadata={'about': text})


def test_written_weights_are_read(tmp_path):
  path = tmp_path / 'folder' / 'w'
  weights.write(path, {**WEIGHTS, 'd': np.eye(4)[:, ::2].T}, about=ABOUT)
  found = weights.read(path, about=ABOUT)
  assert sorted(found) == ['a/b', 'c', 'd']
  assert found['c'].shape == ()
  np.testing.assert_array_equal(found['a/b'], WEIGHTS['a/b'])
  np.testing.assert_array_equal(found['d'], np.eye(4)[:, ::2].T)


def test_equal_weights_have_equal_bytes(tmp_path):
  reverse = dict(reversed(WEIGHTS.items()))
  weights.write(tmp_path / 'a', WEIGHTS, about={'x': 1, 'y': 2})
  weights.write(tmp_path / 'b', reverse, about={'y': 2, 'x': 1})
  assert (tmp_path / 'a').read_bytes() == (tmp_path / 'b').read_bytes()


def test_weights_with_another_description_are_refused(tmp_path):
  weights.write(tmp_path / 'w', WEIGHTS, about=ABOUT)
  with pytest.raises(ValueError, match='version is 1, expected 2'):
    weights.read(tmp_path / 'w', about={'version': 2})


@pytest.mark.parametrize('error', [PermissionError, FileNotFoundError])
def test_a_file_that_may_not_be_opened_is_not_called_damaged(
  tmp_path, monkeypatch, error
):
  def refuse(path, *_, **__):
    raise error(str(path))

  weights.write(tmp_path / 'w', WEIGHTS, about=ABOUT)
  monkeypatch.setattr(pathlib.Path, 'open', refuse)
  with pytest.raises(error):
    weights.read(tmp_path / 'w', about=ABOUT)


@fuzzing.fuzz(fuzzing.mutated([whole()]))
def test_any_weights_file(data, folder):
  (folder / 'w').write_bytes(data)
  found = fuzzing.survives(weights.read, folder / 'w', about=ABOUT)
  if found is not None:
    np.testing.assert_equal(found, WEIGHTS)


@fuzzing.fuzz(fuzzing.JSON)
def test_any_description_of_weights(value, folder):
  (folder / 'w').write_bytes(with_about(json.dumps(value)))
  assert fuzzing.survives(weights.read, folder / 'w', about=ABOUT) is None


@pytest.mark.parametrize(
  'data',
  [b'', b'PK', b'\xff' * 64, whole(), with_about('[' * 10**5)],
  ids=['empty', 'zip', 'length', 'other weights', 'nested'],
)
def test_only_the_weights_of_inception_are_accepted(data, tmp_path):
  path = tmp_path / 'x.safetensors'
  path.write_bytes(data)
  digest = inception.checksums.file_digest(path)
  with pytest.raises(ValueError, match=r'x\.safetensors is damaged or holds'):
    inception.load(path, sha256=digest)


def test_caches_are_read_without_unpickling(tmp_path):
  """The fixture disables pickle in all tests of this file."""
  for _ in range(2):
    data = cache.load(
      Numbered(images=2), split='train', directory=tmp_path, progress=False
    )
    assert len(data.images) == len(data.attributes) == 2


def test_no_file_of_the_project_can_unpickle():
  """No file imports pickle, or loads objects with NumPy or PyTorch."""
  root = pathlib.Path(weights.__file__).parents[2]
  for path in [
    *root.glob('vaegan_jax/**/*.py'),
    *root.glob('experiments/*.py'),
  ]:
    text = path.read_text()
    for word in ('import pickle\n', 'allow_pickle=True', 'weights_only=False'):
      assert word not in text, f'{path.name}: {word}'
    loads = text.count('np.load(') + text.count('read_array(')
    assert loads <= text.count('allow_pickle=False'), path.name
    assert text.count('torch.load(') <= text.count('weights_only=True')
