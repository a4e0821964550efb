import errno
import os
import pathlib
from concurrent import futures

import pytest

from tests.data.images.packing import make_folder, make_tgz, make_zip
from vaegan_jax.data.images import archives, defects

FILES = {f'{i}.jpg': bytes([i]) * (i + 1) for i in range(50)}


@pytest.fixture(params=['folder', 'folders', 'zip', 'tgz'])
def archive(request, tmp_path):
  if request.param == 'folder':
    make_folder(tmp_path, {**FILES, 'sub/other.jpg': b'in a sub-folder'})
    return archives.open_first(tmp_path / 'none', tmp_path)
  if request.param == 'folders':
    nested = {f'{name[0]}/{name}': data for name, data in FILES.items()}
    make_folder(tmp_path, {**nested, 'top.jpg': b'not in a sub-folder'})
    return archives.open_first(tmp_path, pattern='*/*')
  files = {f'deep/er/{name}': data for name, data in FILES.items()}
  if request.param == 'tgz':
    return archives.open_first(make_tgz(tmp_path / 'a.tgz', files))
  files |= {f'__MACOSX/deep/er/._{name}': b'rubbish' for name in FILES}
  return archives.open_first(
    make_zip(tmp_path / 'a.zip', {**files, 'deep/': b''})
  )


def test_names_are_bare_and_sizes_are_those_of_the_files(archive):
  assert archive.sizes() == {name: len(data) for name, data in FILES.items()}


def test_threads_read_the_right_files(archive):
  names = list(FILES) * 20
  with futures.ThreadPoolExecutor(8) as pool:
    read = list(pool.map(archive.read, names))
  assert read == [FILES[name] for name in names]


def test_no_archive_is_opened_if_no_path_exists(tmp_path):
  assert archives.open_first(tmp_path / 'none') is None


@pytest.mark.parametrize(
  ('number', 'broken'),
  [(errno.EIO, False), (errno.EMFILE, False), (errno.EACCES, True)],
)
def test_a_disk_that_fails_does_not_make_an_image_broken(
  number, broken, tmp_path, monkeypatch
):
  def fail(path):
    raise OSError(number, os.strerror(number), str(path))

  make_folder(tmp_path, {'1.jpg': b'intact'})
  monkeypatch.setattr(pathlib.Path, 'read_bytes', fail)
  kind = defects.BrokenImage if broken else OSError
  with pytest.raises(kind, match=r'1\.jpg.*could not be read|cannot be read'):
    archives.read_file(tmp_path / '1.jpg', '1.jpg')
