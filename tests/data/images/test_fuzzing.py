"""Readers of untrusted files return a right result or raise ValueError.

They never raise another exception, hang, exceed memory or unpickle. The tests
that do not fuzz hold what fuzzing found.
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
from PIL import Image

from tests import fuzzing
from tests.data.images.packing import make_zip
from tests.data.numbered import Numbered
from vaegan_jax.data import building, npy, storage
from vaegan_jax.data.images import (
  archives,
  decoding,
  defects,
  label_tables,
  labels,
)

# Pillow warns of odd tags, NumPy of absurd shapes.
pytestmark = pytest.mark.filterwarnings(
  'ignore::UserWarning', 'ignore::RuntimeWarning'
)

bounded = fuzzing.bounded

NUMBERS = np.arange(24, dtype=np.uint8).reshape(2, 2, 2, 3)
NPY = [
  fuzzing.saved(np.save, NUMBERS),
  fuzzing.saved(np.save, NUMBERS.astype('>f4')),
  fuzzing.saved(np.save, np.asfortranarray(NUMBERS)),
]
NOT_NUMBERS = [
  fuzzing.saved(np.save, np.array([{'a': 1}], object), allow_pickle=True),
  fuzzing.saved(np.save, np.zeros(3, [('a', 'f4'), ('b', 'i4')])),
  fuzzing.saved(np.save, np.array(['text'])),
]


def header(text):
  """Returns a .npy file of a header and nothing else."""
  head = text.encode('latin1')
  return b'\x93NUMPY\x01\x00' + len(head).to_bytes(2, 'little') + head


def dictionary(descr, shape):
  return f"{{'descr': {descr!r}, 'fortran_order': False, 'shape': {shape}}}"


HEADERS = [
  dictionary('|O', '(1,)'),
  dictionary('<f8', '(999999999999,)'),
  dictionary('<f8', '(-1,)'),
  dictionary('<f8', '(2, -1, -1)'),
  dictionary('<f8', '(0, 9999999999999999999)'),
  dictionary('<f8', '(True,)'),
  dictionary([('a', '<f8')], '()'),
  dictionary('|V99999999999', '()'),
  "{'descr': '<f8', 'shape': ()}",
  "{'descr': {}, 'fortran_order': 1, 'shape': 3}",
  '{' * 3000,
  '(' * 3000,
  '-' * 9000 + '1',
  '',
]


@pytest.mark.parametrize(
  'data', [*map(header, HEADERS), *NOT_NUMBERS], ids=lambda data: str(len(data))
)
def test_npy_files_with_wrong_headers_or_other_types_are_refused(
  data, tmp_path
):
  (tmp_path / 'x.npy').write_bytes(data)
  with pytest.raises(ValueError, match=r'x\.npy: .') as error:
    npy.load(tmp_path / 'x.npy')
  assert data not in NOT_NUMBERS or 'expected numbers' in str(error.value)


def test_valid_arrays_are_read(tmp_path):
  for data in NPY:
    (tmp_path / 'x.npy').write_bytes(data)
    np.testing.assert_array_equal(npy.load(tmp_path / 'x.npy'), NUMBERS)


@fuzzing.fuzz(fuzzing.mutated(NPY + NOT_NUMBERS))
def test_any_npy(data, folder):
  (folder / 'x.npy').write_bytes(data)
  array = fuzzing.survives(npy.load, folder / 'x.npy')
  if array is not None:
    assert array.dtype.kind in 'biuf'
    assert array.nbytes <= len(data)


ABOUT = {'version': storage.VERSION}


def write_cache(folder):
  """Writes a cache of two images and a broken one; returns its about.json."""
  if not folder.exists():
    source = Numbered(images=3, broken=(2,), skip_broken=True)
    building.build(source, folder, split='train', about=ABOUT, progress=False)
    return json.loads((folder / 'about.json').read_text())
  return None


def read_cache(folder, *, verify=True):
  stored = fuzzing.survives(storage.read, folder, about=ABOUT, verify=verify)
  if stored is not None:
    assert stored.images.dtype == np.uint8
    assert stored.images.ndim == 4
    assert len(stored.attributes) == len(stored.images)
    assert all(isinstance(e, defects.BrokenImage) for e in stored.broken)
  return stored


@fuzzing.fuzz(fuzzing.JSON)
def test_any_description_of_a_cache(value, folder):
  write_cache(folder / 'cache')
  (folder / 'cache' / 'about.json').write_text(json.dumps(value))
  assert read_cache(folder / 'cache') is None


PARTS = ['version', 'images', 'attributes', 'sha256', 'skipped']


@fuzzing.fuzz(st.tuples(st.sampled_from(PARTS), fuzzing.JSON))
def test_any_part_of_a_description(change, folder):
  if (about := write_cache(folder / 'cache')) is not None:
    (folder / 'right.json').write_text(json.dumps(about))
  about = json.loads((folder / 'right.json').read_text())
  name, value = change
  path = folder / 'cache' / 'about.json'
  path.write_text(json.dumps(about | {name: value}))
  for verify in (True, False):
    stored = read_cache(folder / 'cache', verify=verify)
    assert stored is None or name in ('skipped', 'sha256')


@fuzzing.fuzz(fuzzing.mutated(NPY + NOT_NUMBERS))
def test_any_images_and_attributes_in_a_cache(data, folder):
  write_cache(folder / 'cache')
  for name in ('images.npy', 'attributes.npy'):
    path = folder / 'cache' / name
    original = path.read_bytes()
    path.write_bytes(data)
    for verify in (True, False):
      assert read_cache(folder / 'cache', verify=verify) is None
    path.write_bytes(original)
  assert read_cache(folder / 'cache') is not None


@pytest.mark.parametrize(
  ('name', 'array'),
  [
    ('images', np.zeros((2, 8, 8, 1), np.float32)),
    ('images', np.zeros((2, 64), np.uint8)),
    ('attributes', np.zeros((3, 3))),
    ('attributes', np.zeros(2)),
  ],
)
def test_other_arrays_are_refused_in_spite_of_right_checksums(
  name, array, tmp_path
):
  path = tmp_path / 'cache'
  about = write_cache(path)
  np.save(path / f'{name}.npy', array)
  about[name] = [str(array.dtype), *array.shape]
  about['sha256'][name] = hashlib.sha256(array.data).hexdigest()
  (path / 'about.json').write_text(json.dumps(about))
  with pytest.raises(ValueError, match='not images and attributes'):
    storage.read(path, about={}, verify=True)


def test_a_cache_of_another_version_is_refused(tmp_path):
  about = write_cache(tmp_path / 'cache')
  text = json.dumps(about | {'version': storage.VERSION - 1})
  (tmp_path / 'cache' / 'about.json').write_text(text)
  with pytest.raises(ValueError, match='version is 2, not 1; remove'):
    storage.read(tmp_path / 'cache', about=ABOUT, verify=False)


def pack_zip(method):
  data = io.BytesIO()
  files = {f'in/{number}.jpg': bytes([number]) * 50 for number in range(3)}
  return make_zip(data, files, method).getvalue()


def pack_tar(form):
  data = io.BytesIO()
  with tarfile.open(fileobj=data, mode='w', format=form) as archive:
    for number in range(3):
      info = tarfile.TarInfo(f'in/{"ä" * 40}{number}.jpg')
      info.size = 50
      archive.addfile(info, io.BytesIO(bytes([number]) * 50))
  return data.getvalue()


ZIPS = [pack_zip(m) for m in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)]
TARS = [
  pack_tar(form)
  for form in (tarfile.USTAR_FORMAT, tarfile.PAX_FORMAT, tarfile.GNU_FORMAT)
]


def check_archive(path, data):
  path.write_bytes(data)
  archive = fuzzing.survives(archives.open_first, path)
  for name, size in (archive.sizes() if archive else {}).items():
    data = fuzzing.survives(archive.read, name)
    assert data is None or len(data) == size


@fuzzing.fuzz(fuzzing.mutated(ZIPS))
def test_any_zip(data, folder):
  check_archive(folder / 'x.zip', data)


# Changes before compression pass gzip's checksum, which finds most others.
GZIPS = fuzzing.mutated([gzip.compress(tar, 1) for tar in TARS])
GZIPS |= fuzzing.mutated(TARS).map(gzip.compress)


@fuzzing.fuzz(GZIPS)
def test_any_tgz(data, folder):
  check_archive(folder / 'x.tgz', data)


TABLES = [
  b'202599\nBald Male\n1.jpg  1 -1\n2.jpg -1 1\n',
  b'image_id,Bald,Male\r\n1.jpg,1,-1\r\n"2.jpg",-1,1\r\n',
  '\ufeffpath,größe\nä.jpg,1e3\n'.encode(),
]


def read_table(path):
  images = ['1.jpg', '3.jpg']
  names, rows = label_tables.read(path)
  found = labels.match(rows, images, path=path)
  return names, labels.Labels(names, found, path).of(images)


@fuzzing.fuzz(fuzzing.mutated(TABLES) | st.binary(max_size=200))
def test_any_table(data, folder):
  (folder / 'x.csv').write_bytes(data)
  found = fuzzing.survives(read_table, folder / 'x.csv')
  if found is not None:
    names, values = found
    assert values.shape == (2, len(names))
    assert np.isfinite(values).all()


def test_a_table_with_a_huge_cell_is_refused(tmp_path):
  path = tmp_path / 'x.csv'
  path.write_text('"' + 'x' * 200_000)
  with pytest.raises(ValueError, match=r'x\.csv is not a table .*field larger'):
    list(label_tables.rows(path))


PICTURE = Image.fromarray(NUMBERS[0].repeat(4, 0).repeat(4, 1))
EXIF = Image.Exif()
EXIF[0x0112] = 6
PICTURES = [
  fuzzing.saved(PICTURE.convert(mode).save, kind, **options)
  for mode, kind, options in (
    ('RGB', 'JPEG', {'exif': EXIF.tobytes()}),
    ('CMYK', 'JPEG', {'progressive': True}),
    ('RGB', 'PNG', {'exif': EXIF.tobytes()}),
    ('P', 'PNG', {'transparency': 0}),
    ('I', 'TIFF', {}),
    ('RGBA', 'WEBP', {'exif': EXIF.tobytes()}),
    ('RGB', 'BMP', {}),
    ('P', 'GIF', {}),
    ('RGB', 'TIFF', {'compression': 'tiff_lzw'}),
    ('F', 'TIFF', {}),
    ('1', 'PPM', {}),
  )
]


@fuzzing.fuzz(fuzzing.mutated(PICTURES))
def test_any_picture(data, folder):
  for channels in (1, 3):
    pixels = fuzzing.survives(decoding.decode, data, channels=channels)
    if pixels is not None:
      assert pixels.dtype == np.uint8
      assert pixels.shape[2] == channels
      assert pixels.shape[0] * pixels.shape[1] <= decoding.MAX_PIXELS
