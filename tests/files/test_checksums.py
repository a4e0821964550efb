"""The manifest of a folder detects every damage to its files."""

import pathlib
import shutil

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


def truncate(path):
  path.write_bytes(path.read_bytes()[:-1])


def empty(path):
  path.write_bytes(b'')


def extend(path):
  path.write_bytes(path.read_bytes() + b'\n')


def flip_a_bit(path):
  data = bytearray(path.read_bytes())
  data[len(data) // 2] ^= 1
  path.write_bytes(data)


def test_an_intact_folder_returns_what_the_manifest_says(whole):
  assert checksums.verify(whole) == {'step': 7}


DAMAGES = (truncate, empty, flip_a_bit, extend, pathlib.Path.unlink)


@pytest.mark.parametrize(
  ('name', 'damage'),
  [
    (name, damage)
    for name in FILES
    for damage in (DAMAGES[3:] if name.endswith('empty') else DAMAGES)
  ],
)
def test_every_damage_is_reported_with_the_file(copy, name, damage):
  damage(copy / name)
  with pytest.raises(checksums.Damaged, match=name):
    checksums.verify(copy)


def test_an_added_file_is_reported(copy):
  (copy / 'deep' / 'more').touch()
  with pytest.raises(checksums.Damaged, match='deep/more is not in'):
    checksums.verify(copy)


def test_swapped_files_are_reported(copy):
  (copy / 'a.txt').rename(copy / 'c')
  (copy / 'deep' / 'b.bin').rename(copy / 'a.txt')
  (copy / 'c').rename(copy / 'deep' / 'b.bin')
  with pytest.raises(checksums.Damaged, match=r'a\.txt'):
    checksums.verify(copy)


@pytest.mark.parametrize('text', ['', '[]', '7', '{"format": 2}', '[' * 99_999])
def test_a_broken_manifest_is_reported(copy, text):
  (copy / checksums.NAME).write_text(text)
  with pytest.raises(checksums.Damaged, match=checksums.NAME):
    checksums.verify(copy)


def test_an_incomplete_manifest_is_reported(copy):
  for body in ({'format': 1}, {'format': 1, 'about': {}, 'files': []}):
    (copy / checksums.NAME).write_text(checksums._text(body))
    with pytest.raises(checksums.Damaged, match=checksums.NAME):
      checksums.verify(copy)
