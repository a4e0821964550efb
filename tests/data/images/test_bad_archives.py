"""Bad archives are refused, bad members are broken, nothing is unpacked."""

import errno
import stat
import struct
import tarfile
import zipfile

import pytest

from tests.data.images.packing import make_folder, make_tgz, make_zip
from vaegan_jax.data.images import archives, defects

KINDS = {
  'zip': (archives.open_zip, make_zip),
  'tgz': (archives.open_tgz, make_tgz),
  'folder': (
    lambda path: archives.open_folder(path, pattern='**/*'),
    make_folder,
  ),
}
PACKED = pytest.mark.parametrize('kind', ['zip', 'tgz'])
ALL = pytest.mark.parametrize('kind', list(KINDS))


def pack(kind, folder, files):
  """Packs files and opens the archive."""
  opened, make = KINDS[kind]
  return opened(make(folder / f'a.{kind}', files))


def patch(path, old, new):
  """Replaces bytes wherever they occur."""
  data = path.read_bytes()
  assert old in data
  path.write_bytes(data.replace(old, new))
  return path


@PACKED
@pytest.mark.parametrize('share', [0.0, 0.1, 0.5, 0.9])
def test_a_truncated_archive_is_refused(tmp_path, kind, share):
  opened, make = KINDS[kind]
  path = make(tmp_path / 'a', {f'{i}.jpg': bytes(range(256)) for i in range(9)})
  whole = path.read_bytes()
  path.write_bytes(whole[: int(share * len(whole))])
  with pytest.raises(ValueError, match=f'not a valid {kind}'):
    opened(path)


@PACKED
def test_a_web_page_is_not_an_archive(tmp_path, kind):
  (tmp_path / 'a').write_text('<html>moved</html>')
  with pytest.raises(ValueError, match='web page'):
    KINDS[kind][0](tmp_path / 'a')


@PACKED
@pytest.mark.parametrize(
  ('error', 'message'),
  [
    (MemoryError(), 'too little memory to read it'),
    (PermissionError(errno.EACCES, 'Permission denied'), 'denied'),
    (OSError(errno.EIO, 'Input/output error'), 'cannot be read: Input/output'),
  ],
)
def test_an_archive_that_cannot_be_read_is_not_called_damaged(
  tmp_path, monkeypatch, kind, error, message
):
  def fail(*_, **__):
    raise error

  opened, make = KINDS[kind]
  path = make(tmp_path / 'a', {'1.jpg': b'1'})
  monkeypatch.setattr(zipfile, 'ZipFile', fail)
  monkeypatch.setattr(tarfile, 'open', fail)
  with pytest.raises(type(error), match=message) as raised:
    opened(path)
  assert str(path) in str(raised.value)


def test_an_encrypted_zip_is_refused_with_a_remedy(tmp_path):
  path = make_zip(tmp_path / 'a.zip', {'in/1.jpg': b'secret'})
  # The flag is in the member's header and in the directory at the end.
  for mark, place in ((b'PK\3\4', 6), (b'PK\1\2', 8)):
    data = bytearray(path.read_bytes())
    data[data.index(mark) + place] |= 1
    path.write_bytes(data)
  with pytest.raises(ValueError, match=r'encrypted \(in/1\.jpg\): unpack it'):
    archives.open_zip(path)


NAMES = ['../up.jpg', '/absolute.jpg', 'a/../../../out.jpg', 'C:\\dos\\w.jpg']


@PACKED
def test_names_cannot_lead_outside(kind, tmp_path):
  archive = pack(kind, tmp_path, {name: name.encode() for name in NAMES})
  bare = {'up.jpg', 'absolute.jpg', 'out.jpg', 'w.jpg'}
  assert set(archive.sizes()) == bare
  assert {archive.read(name) for name in bare} == set(map(str.encode, NAMES))
  assert len([p for p in tmp_path.rglob('*') if p.is_file()]) == 1


@ALL
def test_only_files_of_the_archive_can_be_read(kind, tmp_path):
  (tmp_path / 'near.jpg').write_bytes(b'not in the archive')
  archive = pack(kind, tmp_path, {'1.jpg': b'1'})
  for name in ('../near.jpg', str(tmp_path / 'near.jpg'), '', '..'):
    with pytest.raises(defects.BrokenImage, match='is missing; fetch'):
      archive.read(name)


def test_links_in_a_zip_are_ignored(tmp_path):
  link = zipfile.ZipInfo('link.jpg')
  link.external_attr = (stat.S_IFLNK | 0o777) << 16
  files = {'1.jpg': b'1', link: '/etc/hostname'}
  path = make_zip(tmp_path / 'a.zip', files)
  assert archives.open_zip(path).sizes() == {'1.jpg': 1}


def test_links_and_devices_in_a_tgz_are_ignored(tmp_path):
  kinds = (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE)
  links = [('link.jpg', kind) for kind in kinds]
  path = make_tgz(tmp_path / 'a.tgz', {'1.jpg': b'1'}, links)
  assert archives.open_tgz(path).sizes() == {'1.jpg': 1}


def test_a_member_without_a_name_is_ignored(tmp_path, monkeypatch):
  with monkeypatch.context() as patched:
    # Lets zipfile write an empty name.
    patched.setattr(zipfile.ZipInfo, 'is_dir', lambda self: False)
    files = {zipfile.ZipInfo(''): b'0', '1.jpg': b'1'}
    path = make_zip(tmp_path / 'a.zip', files)
  assert archives.open_zip(path).sizes() == {'1.jpg': 1}


@ALL
def test_one_name_with_two_contents_is_refused_naming_both(kind, tmp_path):
  with pytest.raises(ValueError, match=r'a/1\.jpg and .*b/1\.jpg'):
    pack(kind, tmp_path, {'a/1.jpg': b'one', 'b/1.jpg': b'two'})


@ALL
def test_identical_copies_count_once(kind, tmp_path):
  archive = pack(kind, tmp_path, {'a/1.jpg': b'one', 'b/1.jpg': b'one'})
  assert archive.sizes() == {'1.jpg': 3}
  assert archive.read('1.jpg') == b'one'


def test_a_damaged_member_of_a_zip_leaves_the_others(tmp_path):
  files = {'1.jpg': b'first', '2.jpg': b'other'}
  path = make_zip(tmp_path / 'a.zip', files, zipfile.ZIP_STORED)
  archive = archives.open_zip(patch(path, b'first', b'f1rst'))
  with pytest.raises(
    defects.BrokenImage, match=r'1\.jpg: damaged in the zip .*CRC'
  ):
    archive.read('1.jpg')
  assert archive.read('2.jpg') == b'other'


@PACKED
def test_damaged_compressed_data_is_found(tmp_path, kind):
  opened, make = KINDS[kind]
  path = make(tmp_path / 'a', {'1.jpg': bytes(range(256)) * 9})
  data = bytearray(path.read_bytes())
  data[40:80] = bytes([255] * 40)
  path.write_bytes(data)
  with pytest.raises(ValueError, match=r'not a valid tgz|damaged in the zip'):
    opened(path).read('1.jpg')


@pytest.mark.parametrize('method', [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_compression_methods_are_refused_unread(tmp_path, method):
  path = make_zip(tmp_path / 'a.zip', {'1.jpg': b'1'}, method)
  with pytest.raises(defects.BrokenImage, match=rf'method {method}; pack'):
    archives.open_zip(path).read('1.jpg')


@pytest.mark.parametrize(
  ('claim', 'complaint'),
  [
    (3 << 30, '3221225472 bytes are more than'),
    (999, 'damaged in the zip'),
    (1001, '1000 bytes of 1001'),
  ],
)
def test_a_member_with_a_wrong_size_is_refused(tmp_path, claim, complaint):
  path = make_zip(tmp_path / 'a.zip', {'1.jpg': bytes(1000), '2.jpg': b'2'})
  patch(path, struct.pack('<I', 1000), struct.pack('<I', claim))
  archive = archives.open_zip(path)
  with pytest.raises(defects.BrokenImage, match=complaint):
    archive.read('1.jpg')
  assert archive.read('2.jpg') == b'2'


@ALL
def test_large_files_are_refused_unread(kind, tmp_path, monkeypatch):
  monkeypatch.setattr(archives, 'MAX_FILE', 100)
  archive = pack(kind, tmp_path, {'1.jpg': bytes(101), '2.jpg': bytes(100)})
  assert archive.sizes() == {'1.jpg': 101, '2.jpg': 100}
  with pytest.raises(defects.BrokenImage, match='101 bytes are more than 100'):
    archive.read('1.jpg')
  assert len(archive.read('2.jpg')) == 100


def test_a_tgz_that_does_not_fit_into_memory_is_refused(tmp_path, monkeypatch):
  files = {f'{number}.jpg': bytes(1 << 20) for number in range(3)}
  path = make_tgz(tmp_path / 'a.tgz', files)
  monkeypatch.setattr(archives, 'MAX_TGZ', 2 << 20)
  with pytest.raises(ValueError, match=r'more than 2 MB.*unpack it'):
    archives.open_tgz(path)


def test_a_file_that_vanishes_is_broken(tmp_path):
  archive = pack('folder', tmp_path, {'1.jpg': b'1'})
  (tmp_path / 'a.folder' / '1.jpg').unlink()
  with pytest.raises(defects.BrokenImage, match=r'1\.jpg: it cannot be read'):
    archive.read('1.jpg')
