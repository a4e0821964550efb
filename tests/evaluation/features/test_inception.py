"""Weights of Inception are read as data, checked, and put where they belong."""

import pathlib
import pickle
import zipfile

import jax.numpy as jnp
import numpy as np
import pytest

from experiments import convert_inception
from vaegan_jax.evaluation.features import inception, torch_files


def text(value):
  return b'X' + len(value).to_bytes(4, 'little') + value.encode()


def tensor(
  key, count, shape, strides, *, offset=0, type_=b'torch\nFloatStorage'
):
  """Writes the operations that torch.save writes for a tensor."""
  numbers = [b'K' + bytes([n]) for n in (*shape, *strides)]
  shape_and_strides = b''.join(
    b'(' + b''.join(part) + b't'
    for part in (numbers[: len(shape)], numbers[len(shape) :])
  )
  return b''.join(
    [
      b'ctorch._utils\n_rebuild_tensor_v2\n((',
      text('storage') + b'c' + type_ + b'\n' + text(key) + text('cpu'),
      b'K' + bytes([count]) + b'tQK' + bytes([offset]),
      shape_and_strides + b'\x89ccollections\nOrderedDict\n)RtR',
    ]
  )


def archive(path, tensors, storages, *, compression=zipfile.ZIP_STORED):
  """Writes a .pth of tensors (operations by name) and their numbers."""
  items = b''.join(text(name) + given for name, given in tensors.items())
  with zipfile.ZipFile(path, 'w', compression) as file:
    program = b'\x80\x02ccollections\nOrderedDict\n)R(' + items + b'u.'
    file.writestr('a/data.pkl', program)
    for key, values in storages.items():
      file.writestr(f'a/data/{key}', np.asarray(values, '<f4').tobytes())
  return path


def test_tensors_are_cut_out_of_their_storage(tmp_path):
  path = archive(
    tmp_path / 'x.pth',
    {
      'whole': tensor('0', 6, (2, 3), (3, 1)),
      'transposed': tensor('0', 6, (3, 2), (1, 3)),
      'end': tensor('0', 6, (2,), (1,), offset=4),
      'scalar': tensor('0', 6, (), (), offset=1),
    },
    {'0': range(6)},
  )
  found = torch_files.read(path)
  np.testing.assert_array_equal(found['whole'], [[0, 1, 2], [3, 4, 5]])
  np.testing.assert_array_equal(found['transposed'], [[0, 3], [1, 4], [2, 5]])
  np.testing.assert_array_equal(found['end'], [4, 5])
  assert found['scalar'] == 1
  assert found['whole'].dtype == np.float32


@pytest.mark.parametrize('zipped', [True, False], ids=['archive', 'legacy'])
def test_files_of_torch_are_read(tmp_path, zipped):
  torch = pytest.importorskip('torch')
  state = torch.nn.Sequential(
    torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4)
  ).state_dict()
  state['view'] = torch.arange(24.0).reshape(4, 6).t()[1:]
  path = tmp_path / 'x.pth'
  torch.save(state, path, _use_new_zipfile_serialization=zipped)
  found = torch_files.read(path)
  assert list(found) == list(state)
  for name, expected in state.items():
    np.testing.assert_array_equal(found[name], expected.numpy())


class Hostile:
  """Touches a file when it is unpickled."""

  def __init__(self, path):
    self.path = path

  def __reduce__(self):
    return pathlib.Path.touch, (self.path,)


@pytest.mark.parametrize('protocol', range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize('zipped', [True, False], ids=['archive', 'bare'])
def test_a_hostile_file_runs_nothing(tmp_path, protocol, zipped):
  touched = tmp_path / 'touched'
  program = pickle.dumps({'x': Hostile(touched)}, protocol)
  path = tmp_path / 'x.pth'
  if zipped:
    with zipfile.ZipFile(path, 'w') as file:
      file.writestr('a/data.pkl', program)
  else:
    path.write_bytes(program)
  with pytest.raises(ValueError, match=r'refused|damaged|no file'):
    torch_files.read(path)
  assert not touched.exists()
  pickle.loads(program)
  assert touched.exists()


@pytest.mark.parametrize(
  'damage',
  [
    {'shape': (7,), 'strides': (1,)},
    {'shape': (3,), 'strides': (3,)},
    {'shape': (200, 200), 'strides': (0, 0)},
    {'shape': (2,), 'strides': (1,), 'offset': 5},
    {'shape': (2,), 'strides': (1, 1)},
    {'shape': (2,), 'strides': (1,), 'type_': b'os\nsystem'},
  ],
  ids=str,
)
def test_a_tensor_never_reaches_beyond_its_storage(tmp_path, damage):
  path = archive(
    tmp_path / 'x', {'x': tensor('0', 6, **damage)}, {'0': range(6)}
  )
  with pytest.raises(ValueError, match=r'storage|refused'):
    torch_files.read(path)


def test_a_compressed_archive_is_refused(tmp_path):
  """It could unfold to any size."""
  path = archive(
    tmp_path / 'x', {}, {'0': [0] * 99}, compression=zipfile.ZIP_DEFLATED
  )
  with pytest.raises(ValueError, match='compressed'):
    torch_files.read(path)


@pytest.mark.parametrize(
  'content', [b'', b'\x80', b'\x89PNG', b'(((', b'\x80\x02.']
)
def test_another_file_is_refused(tmp_path, content):
  path = tmp_path / 'x.pth'
  path.write_bytes(content)
  with pytest.raises(ValueError):  # noqa: PT011
    torch_files.read(path)


def test_the_network_has_the_layers_of_inception_v3():
  # Of torchvision's parameters the auxiliary classifier and the classifier
  # own the other two numbers; statistics are no parameters.
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
  weights = inception._resizing(2)
  assert weights.shape == (299, 2)
  np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-6)
  # Place i lies at 2 i / 299; beyond the last pixel, that pixel counts alone.
  np.testing.assert_allclose(weights[[0, 100, 200], 1], [0, 200 / 299, 1])
  np.testing.assert_array_equal(inception._resizing(299), np.eye(299))


SMALL = {'Conv.conv.weight': (2, 3), 'Conv.bn.bias': (3,)}


@pytest.fixture
def converted(tmp_path, monkeypatch):
  """Converts a stand-in of two weights; gives its path and sum."""
  monkeypatch.setattr(inception, 'shapes', lambda: SMALL)
  path = archive(
    tmp_path / 'weights.pth',
    {
      'Conv.conv.weight': tensor('0', 6, (2, 3), (3, 1)),
      'Conv.bn.bias': tensor('1', 3, (3,), (1,)),
      'fc.bias': tensor('1', 3, (3,), (1,)),
    },
    {'0': range(6), '1': range(3)},
  )
  output = tmp_path / 'weights.npz'
  return output, convert_inception.convert(path, output)


def test_converted_weights_are_those_of_the_network_alone(converted):
  with np.load(converted[0], allow_pickle=False) as arrays:
    assert sorted(arrays.files) == sorted(SMALL)
    np.testing.assert_array_equal(arrays['Conv.conv.weight'].ravel(), range(6))


def test_weights_with_another_sum_are_refused(converted):
  output, digest = converted
  assert callable(inception.load(output, sha256=digest))
  output.write_bytes(output.read_bytes() + b'\0')
  with pytest.raises(ValueError, match=f'SHA-256.*expected {digest}'):
    inception.load(output, sha256=digest)


def test_a_name_that_states_another_sum_is_refused(tmp_path):
  path = tmp_path / 'pt_inception-2015-12-05-6726825d.pth'
  path.write_bytes(b'half a download')
  with pytest.raises(ValueError, match=r'promises 6726825d.*download it again'):
    convert_inception.convert(path, tmp_path / 'x.npz')


def test_weights_of_another_network_are_refused():
  name = 'Conv2d_1a_3x3.conv.weight'
  with pytest.raises(ValueError, match=f'no weight {name}.*pytorch-fid'):
    inception.features({})
  with pytest.raises(ValueError, match=rf'{name} has the shape \(3,\)'):
    inception.features({name: np.zeros(3)})
