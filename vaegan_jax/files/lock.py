"""One process at a time in a run's folder."""

from __future__ import annotations

import contextlib
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


class Locked(RuntimeError):
  """Reports that another process works in the folder."""


@contextlib.contextmanager
def hold(folder: pathlib.Path) -> Iterator[None]:
  """Keeps other processes out of a folder, which is made if it does not exist.

  The system gives the lock back when its process ends, however that was. The
  note of who holds it is left by a process that was killed, and replaced.

  Raises:
    Locked: another process holds it, named by host and process.
  """
  folder.mkdir(parents=True, exist_ok=True)
  lock, note = filelock.FileLock(folder / _LOCK), folder / _HOLDER
  try:
    lock.acquire(blocking=False)
  except filelock.Timeout as error:
    raise Locked(
      f'{folder} is in use by {_holder(note)}: wait until that run has ended, '
      'or stop it, or take another --workdir'
    ) from error
  try:
    if note.exists():
      _LOGGER.info(
        'The run was left without a word by %s; it goes on from its newest '
        'checkpoint.',
        _holder(note),
      )
    atomic.write_text(note, json.dumps(_us()) + '\n')
    yield
  finally:
    note.unlink(missing_ok=True)
    lock.release()


def _us() -> dict[str, str | int]:
  return {
    'host': socket.gethostname(),
    'process': os.getpid(),
    'since': time.strftime('%Y-%m-%d %H:%M:%S'),
  }


def _holder(note: pathlib.Path) -> str:
  try:
    found = json.loads(note.read_text(encoding='utf-8'))
    host, process, since = (found[key] for key in _us())
  except (OSError, ValueError, TypeError, KeyError):
    return 'another process'
  return f'process {process} on host {host}, since {since}'
