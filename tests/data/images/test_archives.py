import io
import tarfile
import zipfile
from concurrent import futures

import pytest

from vaegan_jax.data.images import archives

FILES = {f'{i}.jpg': bytes([i]) * (i + 1) for i in range(50)}


def write_tgz(path, files):
  with tarfile.open(path, 'w:gz') as writer:
    for name, data in files.items():
      info = tarfile.TarInfo(name)
      info.size = len(data)
      writer.addfile(info, io.BytesIO(data))
    folder = tarfile.TarInfo('deep/folder')
    folder.type = tarfile.DIRTYPE
    link = tarfile.TarInfo('deep/link.jpg')
    link.type, link.linkname = tarfile.SYMTYPE, '/etc/hostname'
    hard = tarfile.TarInfo('deep/hard.jpg')
    hard.type, hard.linkname = tarfile.LNKTYPE, 'deep/er/1.jpg'
    for info in (folder, link, hard):
      writer.addfile(info)


@pytest.fixture(params=['folder', 'folders', 'zip', 'tgz'])
def archive(request, tmp_path):
  if request.param == 'folder':
    for name, data in FILES.items():
      (tmp_path / name).write_bytes(data)
    (tmp_path / 'sub').mkdir()
    return archives.Folder(tmp_path)
  if request.param == 'folders':
    (tmp_path / 'top.jpg').write_bytes(b'not in a sub-folder')
    for name, data in FILES.items():
      (tmp_path / name[0]).mkdir(exist_ok=True)
      (tmp_path / name[0] / name).write_bytes(data)
    return archives.Folder(tmp_path, pattern='*/*')
  if request.param == 'tgz':
    files = {f'deep/er/{name}': data for name, data in FILES.items()}
    write_tgz(tmp_path / 'a', files)
    return archives.Tgz(tmp_path / 'a')
  path = tmp_path / 'a.zip'
  with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as writer:
    writer.mkdir('deep')
    for name, data in FILES.items():
      writer.writestr(f'deep/er/{name}', data)
      writer.writestr(f'__MACOSX/deep/er/._{name}', b'rubbish')
  return archives.Zip(path)


def test_names_are_bare_and_sizes_those_of_the_files(archive):
  assert archive.sizes() == {name: len(data) for name, data in FILES.items()}


def test_threads_read_the_right_files(archive):
  names = list(FILES) * 20
  with futures.ThreadPoolExecutor(8) as pool:
    read = list(pool.map(archive.read, names))
  assert read == [FILES[name] for name in names]


@pytest.mark.parametrize('share', [0.0, 0.1, 0.5, 0.9])
def test_a_truncated_tgz_is_refused(tmp_path, share):
  path = tmp_path / 'a.tgz'
  write_tgz(path, {f'{i}.jpg': bytes(range(256)) * 40 for i in range(20)})
  whole = path.read_bytes()
  path.write_bytes(whole[: int(share * len(whole))])
  with pytest.raises(ValueError, match='no whole tgz'):
    archives.Tgz(path)


def test_a_web_page_is_no_tgz(tmp_path):
  (tmp_path / 'a.tgz').write_text('<html>moved</html>')
  with pytest.raises(ValueError, match='web page'):
    archives.Tgz(tmp_path / 'a.tgz')


def test_a_tgz_writes_nothing_where_its_names_say(tmp_path):
  path = tmp_path / 'in' / 'er' / 'a.tgz'
  path.parent.mkdir(parents=True)
  names = ['../up.jpg', f'{tmp_path}/absolute.jpg', '../../../out.jpg']
  write_tgz(path, dict.fromkeys(names, b'evil'))
  archives.Tgz(path)
  assert [p for p in tmp_path.rglob('*') if p.is_file()] == [path]
