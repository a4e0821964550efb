"""Whatever happens to a file of a folder, its manifest tells."""

import pathlib
import shutil

import numpy as np
import pytest

from vaegan_jax.files import checksums

FILES = ('a.txt', 'deep/b.bin', 'deep/er/empty', checksums.NAME)


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
  folder = tmp_path_factory.mktemp('manifest')
  (folder / 'deep' / 'er').mkdir(parents=True)
  (folder / 'a.txt').write_text('one')
  (folder / 'deep' / 'b.bin').write_bytes(bytes(range(256)) * 8)
  (folder / 'deep' / 'er' / 'empty').touch()
  checksums.write(folder, about={'step': 7})
  return folder


@pytest.fixture
def copy(whole, tmp_path):
  return pathlib.Path(shutil.copytree(whole, tmp_path / 'copy'))


def flip(path, bit):
  data = bytearray(path.read_bytes())
  data[bit // 8] ^= 1 << bit % 8
  path.write_bytes(data)


def truncate(path):
  path.write_bytes(path.read_bytes()[:-1])


def empty(path):
  path.write_bytes(b'')


def extend(path):
  path.write_bytes(path.read_bytes() + b'\n')


def change(path):
  flip(path, 8 * (path.stat().st_size // 2))


def test_a_whole_folder_says_what_was_said_of_it(whole):
  assert checksums.verify(whole) == {'step': 7}


HARMS = (truncate, empty, change, extend, pathlib.Path.unlink)


@pytest.mark.parametrize(
  ('name', 'harm'),
  [
    (name, harm)
    for name in FILES
    for harm in (HARMS[3:] if name.endswith('empty') else HARMS)
  ],
)
def test_every_harm_to_every_file_is_named(copy, name, harm):
  harm(copy / name)
  with pytest.raises(checksums.Damaged, match=name):
    checksums.verify(copy)


def test_a_hundred_flipped_bits_are_all_found(whole, copy):
  draw = np.random.default_rng(0)
  files = [name for name in FILES if (whole / name).stat().st_size]
  for _ in range(100):
    name = draw.choice(files)
    flip(copy / name, int(draw.integers(8 * (whole / name).stat().st_size)))
    with pytest.raises(checksums.Damaged, match=name):
      checksums.verify(copy)
    shutil.copy(whole / name, copy / name)
  checksums.verify(copy)


def test_a_file_that_was_not_there_is_named(copy):
  (copy / 'deep' / 'more').touch()
  with pytest.raises(checksums.Damaged, match='deep/more was not there'):
    checksums.verify(copy)


def test_files_that_changed_places_are_found(copy):
  (copy / 'a.txt').rename(copy / 'c')
  (copy / 'deep' / 'b.bin').rename(copy / 'a.txt')
  (copy / 'c').rename(copy / 'deep' / 'b.bin')
  with pytest.raises(checksums.Damaged, match=r'a\.txt'):
    checksums.verify(copy)


@pytest.mark.parametrize('text', ['', '[]', '7', '{"format": 2}', '[' * 99_999])
def test_what_is_no_manifest_is_damaged(copy, text):
  (copy / checksums.NAME).write_text(text)
  with pytest.raises(checksums.Damaged, match=checksums.NAME):
    checksums.verify(copy)


def test_a_manifest_without_its_parts_is_damaged(copy):
  for body in ({'format': 1}, {'format': 1, 'about': {}, 'files': []}):
    (copy / checksums.NAME).write_text(checksums._text(body))
    with pytest.raises(checksums.Damaged, match=checksums.NAME):
      checksums.verify(copy)
