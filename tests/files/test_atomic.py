"""Files and folders are written completely or not at all."""

import errno
import os
import socket
import stat
import subprocess
import sys

import pytest

from vaegan_jax.files import atomic


def test_a_folder_gets_its_name_when_it_is_complete(tmp_path):
  with atomic.new_folder(tmp_path / 'new') as temporary:
    (temporary / 'file').write_text('complete')
    assert not (tmp_path / 'new').exists()
  assert (tmp_path / 'new' / 'file').read_text() == 'complete'
  assert os.listdir(tmp_path) == ['new']


@pytest.mark.parametrize('umask', [0o022, 0o002, 0o077])
def test_a_folder_has_the_permissions_that_the_user_gives(tmp_path, umask):
  before = os.umask(umask)
  try:
    with atomic.new_folder(tmp_path / 'new'):
      pass
  finally:
    os.umask(before)
  assert (tmp_path / 'new').stat().st_mode & 0o777 == 0o777 & ~umask


@pytest.mark.parametrize('error', [ValueError, KeyboardInterrupt, SystemExit])
def test_an_error_leaves_no_folder(tmp_path, error):
  def write_half():
    with atomic.new_folder(tmp_path / 'new') as temporary:
      (temporary / 'file').write_text('half')
      raise error

  with pytest.raises(error):
    write_half()
  assert not os.listdir(tmp_path)


def test_the_folder_of_a_faster_process_is_kept(tmp_path):
  with atomic.new_folder(tmp_path / 'new'):
    (tmp_path / 'new').mkdir()
    (tmp_path / 'new' / 'first').touch()
  assert os.listdir(tmp_path) == ['new']
  assert os.listdir(tmp_path / 'new') == ['first']


def test_the_next_process_removes_what_a_killed_one_left(tmp_path):
  killed = subprocess.Popen([sys.executable, '-c', ''])
  killed.wait()
  host = f'{socket.gethostname()}-{os.stat("/proc/self/ns/pid").st_ino}'
  left = tmp_path / f'.writing-{host}-{killed.pid}-abc'
  others = [
    tmp_path / f'.writing-{host}-{os.getpid()}-abc',
    # A container with the name of the host, but process ids of its own.
    tmp_path / f'.writing-{socket.gethostname()}-1-{killed.pid}-abc',
    tmp_path / f'.writing-elsewhere-{killed.pid}-abc',
    tmp_path / 'another',
  ]
  for folder in (left, *others):
    (folder / 'deep').mkdir(parents=True)
  with atomic.new_folder(tmp_path / 'new'):
    assert not left.exists()
  assert all(folder.exists() for folder in others)


def test_a_single_writer_removes_all_hidden_folders(tmp_path):
  for name in ('.writing-elsewhere-1-abc', 'whole'):
    (tmp_path / name).mkdir()
  atomic.remove_hidden(tmp_path)
  assert os.listdir(tmp_path) == ['whole']


def test_a_folder_loses_its_name_before_its_files(tmp_path, monkeypatch):
  folder = tmp_path / 'old'
  folder.mkdir()
  seen = []

  def rmtree(path, **_):
    seen.append((folder.exists(), os.listdir(path)))

  monkeypatch.setattr(atomic.shutil, 'rmtree', rmtree)
  atomic.remove(folder)
  assert seen == [(False, ['old'])]


def test_a_failed_write_leaves_the_old_text(tmp_path):
  path = tmp_path / 'file'
  atomic.write_text(path, 'old')
  with pytest.raises(UnicodeEncodeError):
    atomic.write_text(path, '\ud800')
  assert path.read_text() == 'old'
  assert os.listdir(tmp_path) == ['file']


def test_a_share_that_does_not_sync_folders_is_used(tmp_path, monkeypatch):
  fsync = os.fsync

  def sync_files(descriptor):
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
      raise OSError(errno.EINVAL, 'Invalid argument')
    fsync(descriptor)

  monkeypatch.setattr('os.fsync', sync_files)
  with atomic.new_folder(tmp_path / 'new') as temporary:
    (temporary / 'file').write_text('complete')
  assert (tmp_path / 'new' / 'file').read_text() == 'complete'
  monkeypatch.setattr('os.fsync', lambda descriptor: os.fstat(-1))
  with pytest.raises(OSError, match='Bad file'):
    atomic.write_text(tmp_path / 'text', 'lost')
