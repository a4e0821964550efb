"""ONNX files compute what the networks compute."""

import sys

import jax
import jax.numpy as jnp
import numpy as np
import onnxruntime
import pytest

from tests import small
from vaegan_jax import inference
from vaegan_jax.config import build
from vaegan_jax.runs import exports

PIXELS = np.random.default_rng(0).integers(0, 256, (3, 16, 24, 3), np.uint8)
IMAGES = PIXELS / np.float32(127.5) - 1
CODES = np.random.default_rng(1).normal(size=(3, 5)).astype(np.float32)
ROWS = np.array([[0, 1], [1, 1], [0.5, 0]], np.float32)


def disturbed(key, x):
  """Moves running statistics and scales away from 0 and 1."""
  return x + jax.random.uniform(key, x.shape, x.dtype, -0.1, 0.1)


def make(**changes):
  config = small.config(
    data__size=(16, 24),
    encoder__channels=(4, 6),
    decoder__channels=(5, 4, 3),
    discriminator__channels=(4, 4),
    **changes,
  )
  variables = small.variables(build.networks(config))
  leaves, structure = jax.tree.flatten(variables)
  keys = jax.random.split(jax.random.key(1), len(leaves))
  leaves = [disturbed(*pair) for pair in zip(keys, leaves, strict=True)]
  variables = jax.tree.unflatten(structure, leaves)
  return inference.Model(exports.Export(config, variables, step=1))


def run(path, **inputs):
  session = onnxruntime.InferenceSession(path)
  return session.run(None, inputs)


def expected(model, network, *inputs):
  module = getattr(model.networks, network)
  arrays = map(jnp.asarray, inputs)
  return module.apply(model.variables[network], *arrays, train=False)


@pytest.mark.parametrize('names', [(), ('Male', 'Young')])
def test_files_compute_what_the_networks_compute(names, tmp_path):
  model = make(conditional=','.join(names))
  model.to_onnx(tmp_path)
  given = {'attributes': ROWS} if names else {}
  rows = tuple(given.values())
  posterior = run(tmp_path / 'encoder.onnx', images=IMAGES, **given)
  for found, wanted in zip(
    posterior, expected(model, 'encoder', IMAGES, *rows), strict=True
  ):
    np.testing.assert_allclose(found, wanted, atol=1e-4)
  [images] = run(tmp_path / 'decoder.onnx', codes=CODES, **given)
  wanted = expected(model, 'decoder', CODES, *rows)
  assert np.std(wanted) > 0.02  # far above the tolerance
  np.testing.assert_allclose(images, wanted, atol=1e-4)


def test_a_batch_may_have_any_size(tmp_path):
  make().to_onnx(tmp_path)
  whole = run(tmp_path / 'decoder.onnx', codes=CODES)[0]
  one = run(tmp_path / 'decoder.onnx', codes=CODES[1:2])[0]
  np.testing.assert_allclose(one, whole[1:2], atol=1e-6)


def test_a_gan_has_a_decoder_alone(tmp_path):
  make(model='gan').to_onnx(tmp_path)
  assert [path.name for path in tmp_path.iterdir()] == ['decoder.onnx']


def test_files_are_not_replaced(tmp_path):
  (tmp_path / 'decoder.onnx').touch()
  with pytest.raises(ValueError, match=r'decoder\.onnx exists already'):
    make().to_onnx(tmp_path)
  assert not (tmp_path / 'encoder.onnx').exists()


def test_a_missing_package_is_named(tmp_path, monkeypatch):
  monkeypatch.setitem(sys.modules, 'onnx', None)
  with pytest.raises(ImportError, match=r"pip install 'vaegan_jax\[onnx\]'"):
    make().to_onnx(tmp_path / 'new')
  assert not (tmp_path / 'new').exists()
