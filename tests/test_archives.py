import zipfile
from concurrent import futures

import pytest

from vaegan_jax.data import archives

FILES = {f'{i}.jpg': bytes([i]) * (i + 1) for i in range(50)}


@pytest.fixture(params=['folder', 'zip'])
def archive(request, tmp_path):
  if request.param == 'folder':
    for name, data in FILES.items():
      (tmp_path / name).write_bytes(data)
    (tmp_path / 'sub').mkdir()
    return archives.Folder(tmp_path)
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


def test_a_truncated_zip_is_refused(tmp_path):
  path = tmp_path / 'a.zip'
  with zipfile.ZipFile(path, 'w') as writer:
    writer.writestr('1.jpg', b'1' * 100)
  path.write_bytes(path.read_bytes()[:60])
  with pytest.raises(ValueError, match='no whole zip'):
    archives.Zip(path)
