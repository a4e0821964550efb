"""Inception's layers, and the conversion of its weights."""

import hashlib
import sys
import types

import jax.numpy as jnp
import numpy as np
import pytest

from experiments import convert_inception
from vaegan_jax.evaluation.features import inception


def test_the_network_has_the_layers_of_inception_v3():
  # torchvision's parameters without the auxiliary classifier and the
  # classifier; running statistics are not parameters.
  shapes = inception.shapes()
  sizes = [np.prod(s) for name, s in shapes.items() if 'running' not in name]
  assert sum(sizes) == 27_161_264 - 3_326_696 - 2_049_000
  assert len(shapes) == 94 * 5
  assert shapes['Mixed_6b.branch7x7dbl_2.conv.weight'] == (128, 128, 7, 1)
  assert shapes['Mixed_7c.branch3x3_2a.conv.weight'] == (384, 384, 1, 3)


def test_averages_do_not_count_the_padding():
  ones = jnp.ones((1, 4, 4, 1))
  np.testing.assert_allclose(inception._average(ones), ones)


def test_images_are_resized_as_tensorflow_1_did():
  matrix = inception._resize_matrix(2)
  assert matrix.shape == (299, 2)
  np.testing.assert_allclose(matrix.sum(1), 1, rtol=1e-6)
  # Position i is 2 i / 299; beyond the last pixel only that pixel counts.
  np.testing.assert_allclose(matrix[[0, 100, 200], 1], [0, 200 / 299, 1])
  np.testing.assert_array_equal(inception._resize_matrix(299), np.eye(299))


STATE = {
  'Conv.conv.weight': np.arange(6, dtype=np.float64).reshape(3, 2).T,
  'Conv.bn.bias': np.ones(3, np.float32),
  'fc.bias': np.ones(3, np.float32),
}


class Tensor:
  def __init__(self, values):
    self.numpy = lambda: values


def torch_load(path, *, map_location, weights_only):
  assert map_location == 'cpu'
  assert weights_only
  return {name: Tensor(values) for name, values in STATE.items()}


@pytest.fixture
def source(tmp_path, monkeypatch):
  """A stand-in of two weights for PyTorch's file."""
  shapes = {name: STATE[name].shape for name in list(STATE)[:2]}
  path = tmp_path / 'weights.pth'
  path.write_bytes(b'stand-in')
  start = hashlib.sha256(b'stand-in').hexdigest()[:8]
  monkeypatch.setattr(inception, 'shapes', lambda: shapes)
  monkeypatch.setattr(convert_inception, 'SHA256_START', start)
  torch = types.SimpleNamespace(load=torch_load)
  monkeypatch.setitem(sys.modules, 'torch', torch)
  return path


@pytest.fixture
def converted(source, tmp_path):
  output = tmp_path / 'weights.safetensors'
  return output, convert_inception.convert(source, output)


def test_converted_weights_are_those_of_the_network_alone(converted):
  found = inception.weights.read(converted[0], about=inception.ABOUT)
  assert sorted(found) == sorted(STATE)[:2]
  for name, values in found.items():
    assert values.dtype == np.float32
    np.testing.assert_array_equal(values, STATE[name])


def test_weights_with_another_sum_are_refused(converted):
  output, digest = converted
  assert callable(inception.load(output, sha256=digest))
  output.write_bytes(output.read_bytes() + b'\0')
  with pytest.raises(ValueError, match=f'SHA-256.*expected {digest}'):
    inception.load(output, sha256=digest)


def test_a_state_dictionary_of_pytorch_is_converted(source, monkeypatch):
  monkeypatch.delitem(sys.modules, 'torch')
  torch = pytest.importorskip('torch')
  state = {name: torch.tensor(values) for name, values in STATE.items()}
  torch.save(state, source)
  found = convert_inception._read(source)
  for name, values in STATE.items():
    np.testing.assert_array_equal(found[name], values)


def test_a_file_with_another_sum_is_refused_before_it_is_read(tmp_path):
  path = tmp_path / 'pt_inception-2015-12-05-6726825d.pth'
  path.write_bytes(b'half a download')
  with pytest.raises(ValueError, match=r'expected 6726825d\.\.\.: download'):
    convert_inception.convert(path, tmp_path / 'x.safetensors')


def test_a_missing_pytorch_is_named_with_the_remedy(source, monkeypatch):
  monkeypatch.setitem(sys.modules, 'torch', None)
  output = source.with_suffix('.safetensors')
  with pytest.raises(ValueError, match=r"pip install -e '\.\[inception\]'"):
    convert_inception.convert(source, output)
  assert not output.exists()


@pytest.mark.parametrize(
  ('name', 'message'),
  [('x.npz', r'expected a name in \.safetensors'), ('x.safetensors', 'exists')],
)
def test_an_impossible_output_is_refused(source, name, message):
  output = source.with_name(name)
  output.touch()
  with pytest.raises(ValueError, match=message):
    convert_inception.convert(source, output)


def test_weights_of_another_network_are_refused():
  name = 'Conv2d_1a_3x3.conv.weight'
  with pytest.raises(ValueError, match=f'no weight {name}.*pytorch-fid'):
    inception.extractor({})
  with pytest.raises(ValueError, match=rf'{name} has the shape \(3,\)'):
    inception.extractor({name: np.zeros(3)})
