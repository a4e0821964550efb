"""Files of weights that may hold anything: right arrays, or ValueError."""

import hashlib
import io
import json
import pathlib
import zipfile

import numpy as np
import pytest
from hypothesis import strategies as st

from tests import fuzzing
from tests.data import numbered
from tests.evaluation.features import test_inception
from vaegan_jax.data import npy
from vaegan_jax.evaluation.features import (
  inception,
  pickles,
  torch_files,
  weights,
)


@pytest.fixture(autouse=True)
def nothing_is_unpickled(monkeypatch, unchecked):
  fuzzing.forbid_pickles(monkeypatch)


def archive():
  data = io.BytesIO()
  tensors = {
    'whole': test_inception.tensor('0', 6, (2, 3), (3, 1)),
    'part': test_inception.tensor('0', 6, (3,), (2,), offset=1),
  }
  test_inception.archive(data, tensors, {'0': range(6)})
  return data.getvalue()


def legacy():
  """Writes what torch.save did before there were archives."""
  text = test_inception.text
  magic = b'\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.'
  version = b'\x80\x02M\xe9\x03.'
  system = b'\x80\x02}' + text('little_endian') + b'\x88s.'
  tensor = test_inception.tensor('0', 6, (2, 3), (3, 1))
  program = b'\x80\x02}' + text('whole') + tensor + b's.'
  keys = b'\x80\x02]' + text('0') + b'a.'
  numbers = np.arange(6, dtype='<f4').tobytes()
  length = (6).to_bytes(8, 'little')
  return magic + version + system + program + keys + length + numbers


FILES = [archive(), legacy()]


@pytest.mark.parametrize('data', FILES, ids=['archive', 'legacy'])
def test_whole_files_are_read(data, tmp_path):
  (tmp_path / 'x.pth').write_bytes(data)
  found = torch_files.read(tmp_path / 'x.pth')
  np.testing.assert_array_equal(found['whole'], [[0, 1, 2], [3, 4, 5]])


@fuzzing.fuzz(fuzzing.mutated(FILES))
def test_any_file_of_torch(data, folder):
  (folder / 'x.pth').write_bytes(data)
  found = fuzzing.survives(torch_files.read, folder / 'x.pth')
  for tensor in (found or {}).values():
    assert tensor.dtype.kind in 'fi'
    assert tensor.size <= len(data)


OPERATIONS = [
  *(b'}', b']', b')', b'(', b't', b'\x85', b'\x86', b'\x87', b'u', b's'),
  *(b'a', b'e', b'R', b'Q', b'b', b'N', b'\x88', b'K\x01', b'K\xff'),
  *(b'q\0', b'q\1', b'h\0', b'h\1', b'\x94', b'\x8f', b'0', b'2'),
  b'ccollections\nOrderedDict\n',
  b'ctorch._utils\n_rebuild_tensor_v2\n',
  b'ctorch\nFloatStorage\n',
  b'cos\nsystem\n',
  b'\x93',
  *(test_inception.text(word) for word in ('storage', '0', 'cpu', 'os')),
  b'\x8a\x09' + bytes(8) + b'\x7f',
]


@fuzzing.fuzz(st.lists(st.sampled_from(OPERATIONS), max_size=40))
def test_any_pickle(operations, folder):
  data = io.BytesIO()
  with zipfile.ZipFile(data, 'w') as file:
    file.writestr('a/data.pkl', b'\x80\x02' + b''.join(operations) + b'.')
    file.writestr('a/data/0', bytes(24))
  (folder / 'x.pth').write_bytes(data.getvalue())
  fuzzing.survives(torch_files.read, folder / 'x.pth')


# Sixty pairs of pairs of pairs: a text of 2^60 letters, were it written out.
NESTED = b'N' + b'q\0h\0\x86' * 60
NAMES = {
  'a key': b'}' + NESTED + b'Ns.',
  'keys': b'}(' + NESTED + b'Nu.',
  'an import': NESTED + NESTED + b'\x93.',
  'a storage': b'(' + NESTED + b'ctorch\nFloatStorage\nNNK\x01tQ.',
  'the name of one': b'('
  + test_inception.text('storage')
  + b'ctorch\nFloatStorage\n'
  + NESTED
  + b'NK\x01tQ.',
  'a function': NESTED + b')R.',
}


@pytest.mark.parametrize('place', NAMES)
def test_nested_tuples_are_no_names(place):
  def follow():
    try:
      return pickles.follow(io.BytesIO(b'\x80\x02' + NAMES[place]))
    except AttributeError as error:  # which `read` turns into a ValueError
      raise ValueError(str(error)) from error

  assert fuzzing.survives(follow) is None


def test_nested_tuples_are_no_shape(tmp_path):
  whole = test_inception.tensor('0', 6, (2, 3), (3, 1))
  shape = b'(K\x02K\x03t'
  assert shape in whole
  path = tmp_path / 'x.pth'
  test_inception.archive(
    path, {'x': whole.replace(shape, NESTED)}, {'0': range(6)}
  )
  with pytest.raises(ValueError, match='a size that is no whole number'):
    torch_files.read(path)


@pytest.mark.parametrize(
  'program', [b'B\xff\xff\xff\x7f', b'X\xff\xff\xff\xff', b'\x8d' + b'\xff' * 8]
)
@pytest.mark.parametrize('zipped', [True, False])
def test_texts_longer_than_the_file_are_refused(program, zipped, tmp_path):
  path = tmp_path / 'x.pth'
  if zipped:
    with zipfile.ZipFile(path, 'w') as file:
      file.writestr('a/data.pkl', b'\x80\x02' + program)
  else:
    path.write_bytes(b'\x80\x02' + program)
  with pytest.raises(ValueError, match=r'x\.pth is refused: .'):
    torch_files.read(path)


def test_members_over_each_other_are_refused(tmp_path):
  path = tmp_path / 'x.pth'
  path.write_bytes(FILES[0])
  data = bytearray(FILES[0])
  # In the directory at the end the numbers claim to be as long as the file.
  place = data.rindex(b'PK\x01\x02')
  for offset in (20, 24):
    data[place + offset : place + offset + 4] = len(data).to_bytes(4, 'little')
  path.write_bytes(data)
  with pytest.raises(ValueError, match='less than its members'):
    torch_files.read(path)


ABOUT = {'version': 1}


def write_weights(folder):
  if not folder.exists():
    weights.write(folder, {'a/b': np.eye(3), 'c': np.ones(())}, about=ABOUT)
  return (folder / 'weights.npz').read_bytes()


def describe(folder, content):
  """Writes changed arrays with the sum that belongs to them."""
  (folder / 'weights.npz').write_bytes(content)
  digest = hashlib.sha256(content).hexdigest()
  (folder / 'about.json').write_text(json.dumps(ABOUT | {'sha256': digest}))


@fuzzing.fuzz(fuzzing.JSON)
def test_any_description_of_weights(value, folder):
  write_weights(folder / 'w')
  (folder / 'w' / 'about.json').write_text(json.dumps(value))
  assert fuzzing.survives(weights.read, folder / 'w', about=ABOUT) is None


def packed():
  data = io.BytesIO()
  np.savez(data, **{'a/b': np.eye(3), 'c': np.ones(())})
  return data.getvalue()


@fuzzing.fuzz(fuzzing.mutated([packed()]))
def test_any_weights_with_the_right_sum(data, folder):
  write_weights(folder / 'w')
  describe(folder / 'w', data)
  found = fuzzing.survives(weights.read, folder / 'w', about=ABOUT)
  for array in (found or {}).values():
    assert array.dtype.kind in 'biuf'
    assert array.nbytes <= len(data)


def objects():
  data = io.BytesIO()
  with zipfile.ZipFile(data, 'w') as file:
    member = io.BytesIO()
    np.lib.format.write_array_header_1_0(
      member, {'descr': '|O', 'fortran_order': False, 'shape': (1,)}
    )
    file.writestr('a.npy', member.getvalue() + b'cos\nsystem\n(X\1\0\0\0xtR.')
  return data.getvalue()


def test_weights_that_are_objects_are_refused(tmp_path):
  write_weights(tmp_path / 'w')
  describe(tmp_path / 'w', objects())
  with pytest.raises(ValueError, match='array of object is refused'):
    weights.read(tmp_path / 'w', about=ABOUT)


@pytest.mark.parametrize('data', [objects(), b'', b'PK', packed()])
def test_only_the_weights_of_inception_are_taken(data, tmp_path):
  path = tmp_path / 'x.npz'
  path.write_bytes(data)
  with pytest.raises(ValueError, match=r'x\.npz: .'):
    inception.load(path, sha256=hashlib.sha256(data).hexdigest())


def test_what_we_write_is_read_without_unpickling(tmp_path):
  """With pickle out of order, as in all tests of this file."""
  write_weights(tmp_path / 'w')
  found = weights.read(tmp_path / 'w', about=ABOUT)
  np.testing.assert_array_equal(found['a/b'], np.eye(3))
  data = numbered.load(numbered.Numbered(), tmp_path / 'cache')
  np.testing.assert_array_equal(data.attributes[:, 0], np.arange(600))
  assert npy.load_npz(packed())['c'] == 1


def test_nothing_of_ours_can_unpickle():
  """No file imports pickle, torch's loader or NumPy's with objects."""
  package = pathlib.Path(torch_files.__file__).parents[1]
  for path in [
    *package.rglob('*.py'),
    *package.parent.glob('experiments/*.py'),
  ]:
    text = path.read_text()
    for word in ('import pickle\n', 'import torch\n', 'allow_pickle=True'):
      assert word not in text, f'{path.name}: {word}'
    loads = text.count('np.load(') + text.count('read_array(')
    assert loads <= text.count('allow_pickle=False')
