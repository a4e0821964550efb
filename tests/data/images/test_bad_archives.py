"""Bad archives are refused, bad members are left out, nothing is unpacked."""

import io
import stat
import struct
import tarfile
import zipfile

import pytest

from vaegan_jax.data.images import archives, skipping


def make_zip(path, files):
  with zipfile.ZipFile(path, 'w') as writer:
    for name, data in files:
      writer.writestr(name, data)
  return path


def make_tgz(path, files):
  with tarfile.open(path, 'w:gz') as writer:
    for name, data in files:
      info = tarfile.TarInfo(name)
      info.size = len(data)
      writer.addfile(info, io.BytesIO(data))
  return path


KINDS = {'zip': (archives.Zip, make_zip), 'tgz': (archives.Tgz, make_tgz)}


@pytest.fixture(params=list(KINDS))
def kind(request, tmp_path):
  """Gives a function that packs files, and opens the archive."""
  opened, make = KINDS[request.param]
  path = tmp_path / 'in' / 'er' / f'a.{request.param}'
  path.parent.mkdir(parents=True)
  return lambda *files: opened(make(path, files))


def patch(path, old, new):
  """Changes bytes wherever they stand."""
  data = path.read_bytes()
  assert old in data
  path.write_bytes(data.replace(old, new))


def encrypt(path):
  """Sets the flag of encryption, here and in the directory at the end."""
  for mark, place in ((b'PK\3\4', 6), (b'PK\1\2', 8)):
    data = bytearray(path.read_bytes())
    data[data.index(mark) + place] |= 1
    path.write_bytes(data)


def test_an_encrypted_zip_is_refused_with_a_remedy(tmp_path):
  path = make_zip(tmp_path / 'a.zip', [('in/1.jpg', b'secret')])
  encrypt(path)
  with pytest.raises(ValueError, match=r'encrypted \(in/1\.jpg\): unpack it'):
    archives.Zip(path)


NAMES = ['../up.jpg', '/absolute.jpg', 'a/../../../out.jpg', 'C:\\dos\\w.jpg']


def test_names_lead_nowhere(kind, tmp_path):
  archive = kind(*((name, name.encode()) for name in NAMES))
  bare = {'up.jpg', 'absolute.jpg', 'out.jpg', 'w.jpg'}
  assert set(archive.sizes()) == bare
  assert {archive.read(name) for name in bare} == set(map(str.encode, NAMES))
  assert len([p for p in tmp_path.rglob('*') if p.is_file()]) == 1


def test_only_names_that_are_there_can_be_read(kind, tmp_path):
  (tmp_path / 'in' / 'near.jpg').write_bytes(b'not in the archive')
  archive = kind(('1.jpg', b'1'))
  for name in ('../near.jpg', str(tmp_path / 'in' / 'near.jpg'), '', '..'):
    with pytest.raises(skipping.Broken, match='not there; fetch'):
      archive.read(name)


def test_links_in_a_zip_are_passed_over(tmp_path):
  path = tmp_path / 'a.zip'
  link = zipfile.ZipInfo('link.jpg')
  link.external_attr = (stat.S_IFLNK | 0o777) << 16
  make_zip(path, [('1.jpg', b'1'), (link, '/etc/hostname')])
  assert archives.Zip(path).sizes() == {'1.jpg': 1}


def test_a_member_without_a_name_is_passed_over(tmp_path, monkeypatch):
  with monkeypatch.context() as patched:
    # zipfile itself writes none: what it asks of a name fails.
    patched.setattr(zipfile.ZipInfo, 'is_dir', lambda self: False)
    nameless = zipfile.ZipInfo('')
    path = make_zip(tmp_path / 'a.zip', [(nameless, b'0'), ('1.jpg', b'1')])
  assert archives.Zip(path).sizes() == {'1.jpg': 1}


def test_links_in_a_tgz_are_passed_over(tmp_path):
  path = tmp_path / 'a.tgz'
  with tarfile.open(path, 'w:gz') as writer:
    for type_ in (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE):
      info = tarfile.TarInfo('link.jpg')
      info.type, info.linkname = type_, '/etc/hostname'
      writer.addfile(info)
  assert archives.Tgz(path).sizes() == {}


def test_one_name_with_two_contents_is_refused_naming_both(kind):
  with pytest.raises(ValueError, match=r'a/1\.jpg and b/1\.jpg'):
    kind(('a/1.jpg', b'one'), ('b/1.jpg', b'two'))


def test_copies_of_a_file_are_no_question(kind):
  archive = kind(('a/1.jpg', b'one'), ('b/1.jpg', b'one'))
  assert archive.sizes() == {'1.jpg': 3}
  assert archive.read('1.jpg') == b'one'


def test_in_folders_as_well(tmp_path):
  for folder, data in (('a', b'one'), ('b', b'one'), ('c', b'two')):
    (tmp_path / folder).mkdir()
    (tmp_path / folder / '1.jpg').write_bytes(data)
  with pytest.raises(ValueError, match=r'a/1\.jpg and .*c/1\.jpg'):
    archives.Folder(tmp_path, pattern='*/*')
  (tmp_path / 'c' / '1.jpg').unlink()
  assert archives.Folder(tmp_path, pattern='*/*').sizes() == {'1.jpg': 3}


def test_a_damaged_member_of_a_zip_leaves_the_others(tmp_path):
  path = make_zip(
    tmp_path / 'a.zip', [('1.jpg', b'first'), ('2.jpg', b'other')]
  )
  patch(path, b'first', b'f1rst')
  archive = archives.Zip(path)
  with pytest.raises(
    skipping.Broken, match=r'1\.jpg: damaged in the zip .*CRC'
  ):
    archive.read('1.jpg')
  assert archive.read('2.jpg') == b'other'


def test_what_cannot_be_unpacked_is_broken(tmp_path):
  path = tmp_path / 'a.zip'
  with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as writer:
    writer.writestr('1.jpg', bytes(range(256)) * 9)
    start = 30 + len('1.jpg')
  data = bytearray(path.read_bytes())
  data[start : start + 40] = bytes([255] * 40)
  path.write_bytes(data)
  with pytest.raises(skipping.Broken, match='damaged in the zip'):
    archives.Zip(path).read('1.jpg')


@pytest.mark.parametrize('method', [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_ways_of_packing_are_refused_unread(tmp_path, method):
  path = tmp_path / 'a.zip'
  with zipfile.ZipFile(path, 'w', method) as writer:
    writer.writestr('1.jpg', b'1')
  with pytest.raises(skipping.Broken, match=rf'method {method}; pack'):
    archives.Zip(path).read('1.jpg')


def test_a_tgz_that_cannot_be_unpacked_is_refused(tmp_path):
  path = make_tgz(tmp_path / 'a.tgz', [('1.jpg', bytes(range(256)) * 9)])
  data = bytearray(path.read_bytes())
  data[20:60] = bytes([255] * 40)
  path.write_bytes(data)
  with pytest.raises(ValueError, match='no whole tgz'):
    archives.Tgz(path)


def test_a_member_of_absurd_size_is_refused_unread(tmp_path):
  path = make_zip(tmp_path / 'a.zip', [('1.jpg', b'x' * 1000), ('2.jpg', b'2')])
  claimed = struct.pack('<I', 3 << 30)
  data = path.read_bytes().replace(struct.pack('<I', 1000), claimed)
  path.write_bytes(data)
  archive = archives.Zip(path)
  with pytest.raises(skipping.Broken, match=r'3221225472 bytes are more than'):
    archive.read('1.jpg')
  assert archive.read('2.jpg') == b'2'


def test_a_member_that_is_larger_than_it_says_is_refused(tmp_path):
  path = tmp_path / 'a.zip'
  with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as writer:
    writer.writestr('1.jpg', bytes(1_000_000))
  assert path.stat().st_size < 2000
  patch(path, struct.pack('<I', 1_000_000), struct.pack('<I', 1000))
  with pytest.raises(skipping.Broken, match='damaged in the zip'):
    archives.Zip(path).read('1.jpg')


def test_a_member_that_is_smaller_than_it_says_is_refused(tmp_path):
  path = tmp_path / 'a.zip'
  with zipfile.ZipFile(path, 'w', zipfile.ZIP_DEFLATED) as writer:
    writer.writestr('1.jpg', bytes(1000))
  patch(path, struct.pack('<I', 1000), struct.pack('<I', 1001))
  with pytest.raises(skipping.Broken, match='1000 bytes of 1001'):
    archives.Zip(path).read('1.jpg')


def test_large_members_of_a_tgz_are_not_held(kind, monkeypatch):
  monkeypatch.setattr(archives, 'LARGEST', 100)
  archive = kind(('1.jpg', bytes(101)), ('2.jpg', bytes(100)))
  assert archive.sizes() == {'1.jpg': 101, '2.jpg': 100}
  with pytest.raises(skipping.Broken, match='101 bytes are more than 100'):
    archive.read('1.jpg')
  assert len(archive.read('2.jpg')) == 100


def test_large_files_of_a_folder_are_refused_unread(tmp_path, monkeypatch):
  monkeypatch.setattr(archives, 'LARGEST', 100)
  (tmp_path / '1.jpg').write_bytes(bytes(101))
  with pytest.raises(skipping.Broken, match='101 bytes are more than 100'):
    archives.Folder(tmp_path).read('1.jpg')


def test_a_tgz_that_does_not_fit_into_memory_is_refused(tmp_path, monkeypatch):
  files = [(f'{number}.jpg', bytes(1 << 20)) for number in range(3)]
  path = make_tgz(tmp_path / 'a.tgz', files)
  monkeypatch.setattr(archives, 'LARGEST_TGZ', 2 << 20)
  with pytest.raises(ValueError, match=r'more than 2 MB.*unpack it'):
    archives.Tgz(path)


@pytest.mark.parametrize('share', [0.0, 0.1, 0.5, 0.9])
def test_a_truncated_zip_is_refused(tmp_path, share):
  files = [(f'{i}.jpg', bytes(range(256))) for i in range(20)]
  path = make_zip(tmp_path / 'a.zip', files)
  whole = path.read_bytes()
  path.write_bytes(whole[: int(share * len(whole))])
  with pytest.raises(ValueError, match='no whole zip'):
    archives.Zip(path)


def test_a_file_that_vanishes_is_only_broken(tmp_path):
  (tmp_path / '1.jpg').write_bytes(b'1')
  archive = archives.Folder(tmp_path)
  (tmp_path / '1.jpg').unlink()
  with pytest.raises(skipping.Broken, match=r'1\.jpg: it cannot be read'):
    archive.read('1.jpg')
