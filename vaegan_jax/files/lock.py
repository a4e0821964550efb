"""Admits one process at a time to a run's folder."""

from __future__ import annotations

import contextlib
import errno
import json
import logging
import os
import pathlib
import socket
import time
from collections.abc import Iterator

import filelock

from vaegan_jax.files import atomic

_LOGGER = logging.getLogger(__name__)

_LOCK, _HOLDER = '.lock', '.holder.json'
# What file systems without locks answer; Lustre the last one.
_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS)


class Locked(RuntimeError):
  """Reports that another process uses the folder."""


@contextlib.contextmanager
def hold(folder: pathlib.Path) -> Iterator[None]:
  """Keeps other processes out of a folder, which is made if it is missing.

  The system releases the lock when the process ends, even if it is killed. The
  file that names the process stays then, until the next one replaces it.

  Raises:
    Locked: with the host and the number of the process that holds the lock.
    OSError: the file system has no locks.
  """
  folder.mkdir(parents=True, exist_ok=True)
  lock, holder = _lock(folder / _LOCK), folder / _HOLDER
  try:
    lock.acquire(blocking=False)
  except filelock.Timeout as error:
    raise Locked(
      f'{folder} is in use by {_read(holder)}: wait until that run has ended, '
      'or stop it, or take another --workdir'
    ) from error
  except OSError as error:
    if error.errno in _NO_LOCKS:
      error.strerror = (
        f'{error.strerror}: the file system of {folder} has no locks; mount it '
        'with locks, or take a --workdir on another one'
      )
    raise
  try:
    if holder.exists():
      _LOGGER.info(
        'The run was last used by %s, which ended abnormally; it resumes from '
        'its newest checkpoint.',
        _read(holder),
      )
    atomic.write_text(holder, json.dumps(_this_process()) + '\n')
    yield
  finally:
    holder.unlink(missing_ok=True)
    lock.release()


@contextlib.contextmanager
def in_turn(path: pathlib.Path, *, work: str) -> Iterator[None]:
  """Waits while another process holds the lock of a file, and says so.

  Two may still work at once: where the file system has no locks, or if one was
  waiting when the file was removed, and the other comes afterwards.

  Args:
    path: the file of the lock, removed afterwards; its folder is made if it is
      missing.
    work: what the other process does, for the log.
  """
  path.parent.mkdir(parents=True, exist_ok=True)
  lock = _lock(path)
  try:
    lock.acquire(blocking=False)
  except filelock.Timeout:
    _LOGGER.info('Another process %s: waiting for it.', work)
    lock.acquire()
  except OSError as error:
    if error.errno not in _NO_LOCKS:
      raise
  try:
    yield
  finally:
    path.unlink(missing_ok=True)
    lock.release()


def _lock(path: pathlib.Path) -> filelock.BaseFileLock:
  # The fallback is a file that outlives a killed process.
  return filelock.FileLock(path, fallback_to_soft=False)


def _this_process() -> dict[str, str | int]:
  return {
    'host': socket.gethostname(),
    'process': os.getpid(),
    'since': time.strftime('%Y-%m-%d %H:%M:%S'),
  }


def _read(holder: pathlib.Path) -> str:
  try:
    found = json.loads(holder.read_text(encoding='utf-8'))
    host, process, since = (found[key] for key in _this_process())
  except (OSError, ValueError, TypeError, KeyError):
    return 'another process'
  return f'process {process} on host {host}, since {since}'
