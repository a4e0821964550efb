"""Readers of files that may hold anything give a right result or ValueError.

Never another exception, a hang or memory without bounds; and nothing is ever
unpickled. What fuzzing found stands as tests of its own.
"""

import gzip
import hashlib
import io
import json
import tarfile
import zipfile

import numpy as np
import pytest
from hypothesis import strategies as st

from tests import fuzzing
from vaegan_jax.data import arrays, storage
from vaegan_jax.data.images import archives, skipping

# Of Pillow about odd tags, of NumPy about absurd shapes.
pytestmark = pytest.mark.filterwarnings(
  'ignore::UserWarning', 'ignore::RuntimeWarning'
)

bounded = fuzzing.bounded

NUMBERS = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
NPY = [
  fuzzing.saved(np.save, NUMBERS),
  fuzzing.saved(np.save, NUMBERS.astype('>f4')),
  fuzzing.saved(np.save, np.asfortranarray(NUMBERS)),
  fuzzing.saved(np.save, np.array([{'a': 1}], object), allow_pickle=True),
  fuzzing.saved(np.save, np.zeros(3, [('a', 'f4'), ('b', 'i4')])),
  fuzzing.saved(np.save, np.array(['text'])),
]
NPZ = [
  fuzzing.saved(np.savez, a=NUMBERS, **{'b/c': np.float32(3)}),
  fuzzing.saved(np.savez, a=np.array([None], object)),
  fuzzing.saved(np.savez_compressed, a=np.zeros(9)),
]


def header(text):
  """Writes a .npy file of a header and nothing else."""
  head = text.encode('latin1')
  return b'\x93NUMPY\x01\x00' + len(head).to_bytes(2, 'little') + head


HEADERS = [
  "{'descr': '|O', 'fortran_order': False, 'shape': (1,)}",
  "{'descr': '<f8', 'fortran_order': False, 'shape': (999999999999,)}",
  "{'descr': '<f8', 'fortran_order': False, 'shape': (-1,)}",
  "{'descr': '<f8', 'fortran_order': False, 'shape': (2, -1, -1)}",
  "{'descr': '<f8', 'fortran_order': False, 'shape': (0, 9999999999999999999)}",
  "{'descr': '<f8', 'fortran_order': False, 'shape': (True,)}",
  "{'descr': [('a', '<f8')], 'fortran_order': False, 'shape': ()}",
  "{'descr': '|V99999999999', 'fortran_order': False, 'shape': ()}",
  "{'descr': '<f8', 'shape': ()}",
  "{'descr': {}, 'fortran_order': 1, 'shape': 3}",
  '{' * 3000,
  '(' * 3000,
  '-' * 9000 + '1',
  '',
]  # fmt: skip


def check_array(data, path):
  path.write_bytes(data)
  array = fuzzing.survives(arrays.load, path)
  if array is not None:
    assert array.dtype.kind in 'biuf'
    assert array.nbytes <= len(data)


@pytest.mark.parametrize('text', HEADERS)
def test_headers_that_lie_are_refused(text, tmp_path):
  (tmp_path / 'x.npy').write_bytes(header(text))
  with pytest.raises(ValueError, match=r'x\.npy: .'):
    arrays.load(tmp_path / 'x.npy')
  packed = io.BytesIO()
  with zipfile.ZipFile(packed, 'w') as archive:
    archive.writestr('x.npy', header(text))
  with pytest.raises(ValueError, match=r'no whole \.npz file of numbers: .'):
    arrays.load_all(packed.getvalue())


def test_whole_arrays_are_read(tmp_path):
  for data in NPY[:3]:
    (tmp_path / 'x.npy').write_bytes(data)
    np.testing.assert_array_equal(arrays.load(tmp_path / 'x.npy'), NUMBERS)
  found = arrays.load_all(NPZ[0])
  assert found['b/c'] == 3
  np.testing.assert_array_equal(found['a'], NUMBERS)


@pytest.mark.parametrize('data', NPY[3:])
def test_objects_records_and_texts_are_refused(data, tmp_path):
  (tmp_path / 'x.npy').write_bytes(data)
  with pytest.raises(ValueError, match='refused: expected numbers'):
    arrays.load(tmp_path / 'x.npy')


@pytest.mark.parametrize('data', NPZ[1:])
def test_packed_objects_and_bombs_are_refused(data):
  with pytest.raises(ValueError, match=r'expected numbers|compressed'):
    arrays.load_all(data)


@fuzzing.fuzz(fuzzing.mutated(NPY))
def test_any_npy(data, folder):
  check_array(data, folder / 'x.npy')


@fuzzing.fuzz(fuzzing.mutated(NPZ))
def test_any_npz(data, folder):
  for array in (fuzzing.survives(arrays.load_all, data) or {}).values():
    assert array.dtype.kind in 'biuf'


def write_cache(folder):
  """Writes a cache of two images and a broken one; gives its description."""

  def read(start, stop):
    if stop > 2:
      raise skipping.Broken('2.jpg', 'why')
    return np.full((stop - start, 8, 8, 1), start, np.uint8)

  storage.write(
    folder,
    shape=(3, 8, 8, 1),
    read=read,
    attributes=np.eye(3),
    about={'version': storage.VERSION},
    label='x',
    progress=False,
    skip_broken=True,
  )
  return json.loads((folder / 'about.json').read_text())


def read_cache(folder, *, verify=True):
  about = {'version': storage.VERSION}
  stored = fuzzing.survives(storage.read, folder, about=about, verify=verify)
  if stored is not None:
    assert stored.images.dtype == np.uint8
    assert stored.images.ndim == 4
    assert len(stored.attributes) == len(stored.images)
    assert all(isinstance(e, skipping.Broken) for e in stored.skipped)
  return stored


@fuzzing.fuzz(fuzzing.JSON)
def test_any_description_of_a_cache(value, folder):
  if not (folder / 'cache').exists():
    write_cache(folder / 'cache')
  (folder / 'cache' / 'about.json').write_text(json.dumps(value))
  assert read_cache(folder / 'cache') is None


PARTS = ['version', 'images', 'attributes', 'sha256', 'skipped']


@fuzzing.fuzz(st.tuples(st.sampled_from(PARTS), fuzzing.JSON))
def test_any_part_of_a_description(change, folder):
  path = folder / 'cache'
  if not path.exists():
    about = write_cache(path)
    (folder / 'right.json').write_text(json.dumps(about))
  about = json.loads((folder / 'right.json').read_text())
  name, value = change
  (path / 'about.json').write_text(json.dumps(about | {name: value}))
  for verify in (True, False):
    stored = read_cache(path, verify=verify)
    assert stored is None or name in ('skipped', 'sha256')


@fuzzing.fuzz(fuzzing.mutated(NPY))
def test_any_images_and_attributes_in_a_cache(data, folder):
  path = folder / 'cache'
  if not path.exists():
    write_cache(path)
  for name in ('images.npy', 'attributes.npy'):
    whole = (path / name).read_bytes()
    (path / name).write_bytes(data)
    for verify in (True, False):
      assert read_cache(path, verify=verify) is None
    (path / name).write_bytes(whole)
  assert read_cache(path) is not None


@pytest.mark.parametrize(
  'text', ['[]', 'null', '{}', '[' * 100_000, '{"skipped": [[]]}', '\xff', '']
)
def test_descriptions_of_another_kind_are_refused(text, tmp_path):
  write_cache(tmp_path / 'cache')
  (tmp_path / 'cache' / 'about.json').write_text(text, encoding='latin1')
  assert read_cache(tmp_path / 'cache', verify=False) is None


@pytest.mark.parametrize(
  ('name', 'array'),
  [
    ('images', np.zeros((2, 8, 8, 1), np.float32)),
    ('images', np.zeros((2, 64), np.uint8)),
    ('attributes', np.zeros((3, 3))),
    ('attributes', np.zeros(2)),
  ],
)
def test_arrays_that_are_no_images_are_refused_whatever_the_sums(
  name, array, tmp_path
):
  path = tmp_path / 'cache'
  about = write_cache(path)
  assert read_cache(path) is not None
  np.save(path / f'{name}.npy', array)
  about[name] = [str(array.dtype), *array.shape]
  about['sha256'][name] = hashlib.sha256(array.data).hexdigest()
  (path / 'about.json').write_text(json.dumps(about))
  with pytest.raises(ValueError, match='no images and their attributes'):
    storage.read(path, about={}, verify=True)


def test_a_cache_of_another_version_is_refused(tmp_path):
  about = write_cache(tmp_path / 'cache')
  text = json.dumps(about | {'version': storage.VERSION - 1})
  (tmp_path / 'cache' / 'about.json').write_text(text)
  with pytest.raises(ValueError, match='version is 2, not 1; remove'):
    storage.read(
      tmp_path / 'cache', about={'version': storage.VERSION}, verify=False
    )


def pack_zip(method):
  data = io.BytesIO()
  with zipfile.ZipFile(data, 'w', method) as archive:
    for number in range(3):
      archive.writestr(f'in/{number}.jpg', bytes([number]) * 50)
  return data.getvalue()


def pack_tar(form):
  data = io.BytesIO()
  with tarfile.open(fileobj=data, mode='w', format=form) as archive:
    for number in range(3):
      info = tarfile.TarInfo(f'in/{"ä" * 40}{number}.jpg')
      info.size = 50
      archive.addfile(info, io.BytesIO(bytes([number]) * 50))
  return data.getvalue()


ZIPS = [pack_zip(m) for m in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)]
TARS = [pack_tar(f) for f in (tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT)]
TARS += [pack_tar(tarfile.GNU_FORMAT)]


def check_archive(kind, path):
  archive = fuzzing.survives(kind, path)
  for name, size in (archive.sizes() if archive else {}).items():
    data = fuzzing.survives(archive.read, name)
    assert data is None or len(data) == size


@fuzzing.fuzz(fuzzing.mutated(ZIPS))
def test_any_zip(data, folder):
  (folder / 'x.zip').write_bytes(data)
  check_archive(archives.Zip, folder / 'x.zip')


@fuzzing.fuzz(fuzzing.mutated(TARS))
def test_any_tar_in_a_gzip(data, folder):
  # Packed after the change, or gzip's own sum would find nearly all.
  (folder / 'x.tgz').write_bytes(gzip.compress(data, 1))
  check_archive(archives.Tgz, folder / 'x.tgz')


@fuzzing.fuzz(fuzzing.mutated([gzip.compress(tar, 1) for tar in TARS]))
def test_any_gzip(data, folder):
  (folder / 'x.tgz').write_bytes(data)
  check_archive(archives.Tgz, folder / 'x.tgz')
