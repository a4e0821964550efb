"""A cache follows the content of files, not their names, sizes and places."""

import os
import shutil

import numpy as np
import pytest
from PIL import Image

from tests.data.images.packing import encode, make_folder, make_tgz, make_zip
from tests.data.numbered import load
from vaegan_jax.data import cache
from vaegan_jax.data.sources import celeba, files, folder, lfw
from vaegan_jax.files import contents


def bitmap(level, size):
  """Encodes an image; those of one size have equally many bytes."""
  return encode(Image.new('RGB', size, (level, 90, 200)), 'BMP')


def write_folder(root, level):
  pictures = {'train/1.bmp': bitmap(level, (8, 8)), 'test/1.bmp': b''}
  return folder.Folder(make_folder(root, pictures), (8, 8))


def write_celeba(root, level, pack=make_folder):
  (root / 'list_eval_partition.txt').write_text('1.jpg 0\n')
  end = '.zip' if pack is make_zip else ''
  pack(root / f'img_align_celeba{end}', {'1.jpg': bitmap(level, (178, 218))})
  return celeba.CelebA(root, (8, 8))


def write_zip(root, level):
  return write_celeba(root, level, make_zip)


def write_lfw(root, level):
  for split, name in (('Train', 'Ann'), ('Test', 'Bob')):
    (root / f'peopleDev{split}.txt').write_text(f'1\n{name}\t1\n')
  image = bitmap(level, (250, 250))
  names = ('Ann/Ann_0001.jpg', 'Bob/Bob_0001.jpg')
  make_tgz(root / 'lfw-deepfunneled.tgz', dict.fromkeys(names, image))
  return lfw.LFW(root, (8, 8))


WRITERS = [write_folder, write_celeba, write_zip, write_lfw]


def red(source, directory):
  return load(source, directory / 'cache').images[0, 0, 0, 0]


@pytest.mark.parametrize('write', WRITERS)
def test_a_file_exchanged_for_one_of_equal_size_is_read_anew(tmp_path, write):
  assert red(write(tmp_path, 10), tmp_path) == 10
  times = {path: path.stat() for path in tmp_path.rglob('*')}
  source = write(tmp_path, 60)
  for path, found in times.items():
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))
  assert red(source, tmp_path) == 60
  assert red(write(tmp_path, 10), tmp_path) == 10


def test_swapped_names_are_found(tmp_path):
  paths = [tmp_path / 'train' / f'{number}.bmp' for number in range(2)]
  make_folder(tmp_path, {'test/1.bmp': b''})
  for path, level in zip(paths, (10, 60), strict=True):
    make_folder(tmp_path, {f'train/{path.name}': bitmap(level, (8, 8))})
    os.utime(path, ns=(0, 0))
  assert red(folder.Folder(tmp_path, (8, 8)), tmp_path) == 10
  paths[0].rename(tmp_path / 'other')
  paths[1].rename(paths[0])
  (tmp_path / 'other').rename(paths[1])
  assert red(folder.Folder(tmp_path, (8, 8)), tmp_path) == 60


@pytest.mark.parametrize('write', WRITERS)
def test_copies_of_the_data_share_a_cache(tmp_path, write, monkeypatch):
  (tmp_path / 'one').mkdir()
  first = load(write(tmp_path / 'one', 10), tmp_path)
  shutil.copytree(tmp_path / 'one', tmp_path / 'two')
  monkeypatch.setattr(cache.building, 'build', None)
  assert load(write(tmp_path / 'two', 10), tmp_path).digest == first.digest


def test_unchanged_files_are_not_read_again(tmp_path, monkeypatch):
  load(write_folder(tmp_path, 10), tmp_path / 'cache')
  monkeypatch.setattr(contents, 'crcs', None)
  load(folder.Folder(tmp_path, (8, 8)), tmp_path / 'cache')


def test_a_damaged_note_of_a_fingerprint_is_replaced(tmp_path):
  load(write_folder(tmp_path, 10), tmp_path / 'cache')
  [note] = (tmp_path / 'cache' / 'fingerprints').iterdir()
  for text in ('', '[]', '[' * 100_000):
    note.write_text(text)
    load(folder.Folder(tmp_path, (8, 8)), tmp_path / 'cache')


def test_every_source_of_files_has_the_one_fingerprint():
  for kind in (folder.Folder, celeba.CelebA, lfw.LFW):
    assert kind.fingerprint is files.FileSource.fingerprint
    assert kind.stamp is files.FileSource.stamp


def test_a_missing_file_and_a_pipe_have_no_checksum(tmp_path):
  os.mkfifo(tmp_path / 'pipe.png')
  (tmp_path / 'large.png').write_bytes(bytes(9))
  paths = [tmp_path / name for name in ('none', 'pipe.png', 'large.png')]
  assert contents.crcs(paths, largest=8) == [None, None, None]
  assert contents.stamp(tmp_path / 'none') == [None]
  np.testing.assert_equal(contents.crcs(paths[2:]), [0xE60914AE])
