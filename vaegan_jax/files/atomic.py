"""Writes files and folders completely or not at all.

New content is written under a hidden name beside its target, synced to disk and
renamed. A process that is killed leaves only the hidden name behind. That of a
folder is removed by the next writer of a folder to the same place.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pathlib
import shutil
import socket
import uuid
from collections.abc import Iterator

import psutil

_HIDDEN = '.writing-'


@contextlib.contextmanager
def new_folder(folder: pathlib.Path) -> Iterator[pathlib.Path]:
  """Yields a hidden folder to fill, and renames it when the block ends.

  Keeps the folder of another process that was first. Leaves nothing behind if
  the block raises.

  Args:
    folder: the target, whose parent exists.

  Raises:
    OSError: the disk is full, or the parent is not writable.
  """
  _remove_abandoned(folder.parent)
  temporary = _hidden_folder(folder.parent)
  try:
    yield temporary
    for path in (*temporary.rglob('*'), temporary):
      _sync(path)
    _rename(temporary, folder)
    _sync(folder.parent)
  finally:
    shutil.rmtree(temporary, ignore_errors=True)


def remove(folder: pathlib.Path) -> None:
  """Removes a folder, which loses its name before it loses a file."""
  hidden = _hidden_folder(folder.parent)
  folder.rename(hidden / folder.name)
  shutil.rmtree(hidden, ignore_errors=True)


def remove_hidden(parent: pathlib.Path) -> None:
  """Removes all hidden folders; for a parent that has a single writer."""
  for path in parent.glob(f'{_HIDDEN}*'):
    shutil.rmtree(path, ignore_errors=True)


def write_text(path: pathlib.Path, text: str) -> None:
  """Writes a text file in UTF-8, as `write_bytes` does."""
  write_bytes(path, text.encode())


def write_bytes(path: pathlib.Path, content: bytes) -> None:
  """Writes or replaces a file.

  Raises:
    OSError: the disk is full, or the parent is not writable.
  """
  temporary = path.with_name(f'.{path.name}.{os.getpid()}')
  try:
    temporary.write_bytes(content)
    _sync(temporary)
    os.replace(temporary, path)
    _sync(path.parent)
  finally:
    temporary.unlink(missing_ok=True)


def _sync(path: pathlib.Path) -> None:
  """Waits until a file or a folder is on disk."""
  descriptor = os.open(path, os.O_RDONLY)
  try:
    os.fsync(descriptor)
  except OSError as error:
    # Shares such as SMB sync files but not folders.
    if not path.is_dir() or error.errno not in (errno.EINVAL, errno.ENOTSUP):
      raise
  finally:
    os.close(descriptor)


def _rename(temporary: pathlib.Path, folder: pathlib.Path) -> None:
  try:
    temporary.rename(folder)
  except OSError as error:
    if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
      raise


def _hidden_folder(parent: pathlib.Path) -> pathlib.Path:
  folder = parent / f'{_prefix()}{os.getpid()}-{uuid.uuid4().hex}'
  folder.mkdir()  # with the user's umask, unlike tempfile.mkdtemp
  return folder


def _remove_abandoned(parent: pathlib.Path) -> None:
  """Removes the hidden folders of processes of this host that have ended."""
  prefix = _prefix()
  for path in parent.glob(f'{_HIDDEN}*'):
    process = path.name.removeprefix(prefix).partition('-')[0]
    ours = path.name.startswith(prefix) and process.isdecimal()
    if ours and not psutil.pid_exists(int(process)):
      shutil.rmtree(path, ignore_errors=True)


def _prefix() -> str:
  """Names the host and its set of process ids: containers may share a host."""
  numbers = pathlib.Path('/proc/self/ns/pid')
  space = numbers.stat().st_ino if numbers.exists() else 0
  return f'{_HIDDEN}{socket.gethostname()}-{space}-'
