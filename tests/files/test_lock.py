"""A folder admits one process at a time, even after a kill."""

import contextlib
import errno
import json
import os
import subprocess
import sys
import threading
import time

import pytest

from vaegan_jax.files import lock

HOLD = """
import pathlib, sys
from vaegan_jax.files import lock
with lock.hold(pathlib.Path(sys.argv[1])):
  print('held', flush=True)
  sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
  """Starts another process that holds the folder."""
  process = subprocess.Popen(
    [sys.executable, '-c', HOLD, str(tmp_path)],
    stdin=subprocess.PIPE,
    stdout=subprocess.PIPE,
    text=True,
  )
  assert process.stdout.readline() == 'held\n'
  yield process
  process.kill()
  process.wait()


def test_a_second_process_is_refused_by_host_and_process(tmp_path, holder):
  host = os.uname().nodename
  with (
    pytest.raises(lock.Locked, match=f'process {holder.pid} on host {host}'),
    lock.hold(tmp_path),
  ):
    pass


def test_the_lock_of_a_killed_process_is_free(tmp_path, holder, caplog):
  caplog.set_level('INFO')
  holder.kill()
  holder.wait()
  with lock.hold(tmp_path):
    note = json.loads((tmp_path / '.holder.json').read_text())
    assert note['process'] == os.getpid()
  assert f'by process {holder.pid}' in caplog.text


def hold_and_raise(folder, error):
  with lock.hold(folder):
    if error:
      raise error


@pytest.mark.parametrize('error', [None, ValueError, SystemExit])
def test_a_released_lock_leaves_no_holder(tmp_path, error):
  for _ in range(2):
    with pytest.raises(error) if error else contextlib.nullcontext():
      hold_and_raise(tmp_path, error)
    assert not (tmp_path / '.holder.json').exists()


@pytest.mark.parametrize('text', ['', '{', '[]', '{"host": 1}'])
def test_a_damaged_holder_file_is_ignored(tmp_path, text):
  (tmp_path / '.holder.json').write_text(text)
  with lock.hold(tmp_path):
    pass


@pytest.fixture
def no_locks(monkeypatch, request):
  def flock(descriptor, operation):
    raise OSError(request.param, 'No locks available')

  monkeypatch.setattr('fcntl.flock', flock)


WITHOUT_LOCKS = pytest.mark.parametrize(
  'no_locks',
  [errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS],
  indirect=True,
  ids=errno.errorcode.get,
)


@WITHOUT_LOCKS
@pytest.mark.usefixtures('no_locks')
def test_a_file_system_without_locks_is_named(tmp_path):
  with (
    pytest.raises(OSError, match=f'{tmp_path} has no locks; mount it'),
    lock.hold(tmp_path),
  ):
    pass


@WITHOUT_LOCKS
@pytest.mark.usefixtures('no_locks')
def test_nobody_waits_where_there_are_no_locks(tmp_path):
  with lock.in_turn(tmp_path / 'a', work='works'):
    pass


def test_one_process_after_the_other_works(tmp_path, caplog):
  caplog.set_level('INFO')
  path, order = tmp_path / 'new' / 'a', []

  def work(number):
    with lock.in_turn(path, work='counts'):
      order.append(number)
      if number == 0:
        first.set()
        time.sleep(0.3)
      order.append(number)

  first = threading.Event()
  threads = [threading.Thread(target=work, args=(i,)) for i in range(2)]
  threads[0].start()
  first.wait()
  threads[1].start()
  for thread in threads:
    thread.join()
  assert order == [0, 0, 1, 1]
  assert 'Another process counts: waiting for it.' in caplog.text
