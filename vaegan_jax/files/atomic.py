"""Writes files and folders whole or not at all, whenever a process dies.

Something new is made under a hidden name beside its place, put on disk, and
renamed. A process that is killed meanwhile leaves only what is hidden; the next
one that writes to the same place removes it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import pathlib
import shutil
import socket
import tempfile
from collections.abc import Iterator

import psutil

_HIDDEN = '.writing-'


@contextlib.contextmanager
def new_folder(folder: pathlib.Path) -> Iterator[pathlib.Path]:
  """Gives a folder to fill, which gets its name when the block ends.

  If another process was first, its folder is kept. If the block raises,
  nothing is left behind.

  Args:
    folder: that must not exist yet, in one that does.

  Raises:
    OSError: the disk is full, or the place cannot be written to.
  """
  _remove_abandoned(folder.parent)
  temporary = _hidden_folder(folder.parent)
  try:
    yield temporary
    temporary.chmod(0o755)  # a temporary folder is closed to other users
    for path in (*temporary.rglob('*'), temporary):
      sync(path)
    _rename(temporary, folder)
    sync(folder.parent)
  finally:
    shutil.rmtree(temporary, ignore_errors=True)


def remove(folder: pathlib.Path) -> None:
  """Removes a folder; it has lost its name before it has lost a file."""
  hidden = _hidden_folder(folder.parent)
  folder.rename(hidden / folder.name)
  shutil.rmtree(hidden, ignore_errors=True)


def remove_hidden(parent: pathlib.Path) -> None:
  """Removes what was left half written, if nobody else writes there."""
  for left in _hidden(parent):
    shutil.rmtree(left, ignore_errors=True)


def write_text(path: pathlib.Path, text: str) -> None:
  """Writes a text file in UTF-8, as `write_bytes` does."""
  write_bytes(path, text.encode())


def write_bytes(path: pathlib.Path, content: bytes) -> None:
  """Writes a file, or replaces it, in one move.

  Raises:
    OSError: the disk is full, or the place cannot be written to.
  """
  temporary = path.with_name(f'.{path.name}.{os.getpid()}')
  try:
    temporary.write_bytes(content)
    sync(temporary)
    os.replace(temporary, path)
  finally:
    temporary.unlink(missing_ok=True)


def sync(path: pathlib.Path) -> None:
  """Waits until a file or a folder is on disk."""
  descriptor = os.open(path, os.O_RDONLY)
  try:
    os.fsync(descriptor)
  finally:
    os.close(descriptor)


def _rename(temporary: pathlib.Path, folder: pathlib.Path) -> None:
  try:
    temporary.rename(folder)
  except OSError as error:
    if error.errno not in (errno.EEXIST, errno.ENOTEMPTY):
      raise


def _hidden_folder(parent: pathlib.Path) -> pathlib.Path:
  prefix = f'{_HIDDEN}{socket.gethostname()}-{os.getpid()}-'
  return pathlib.Path(tempfile.mkdtemp(prefix=prefix, dir=parent))


def _remove_abandoned(parent: pathlib.Path) -> None:
  """Removes what processes of this host left that are no more."""
  start = f'{_HIDDEN}{socket.gethostname()}-'
  for left in _hidden(parent):
    process = left.name.removeprefix(start).partition('-')[0]
    ours = left.name.startswith(start) and process.isdecimal()
    if ours and not psutil.pid_exists(int(process)):
      shutil.rmtree(left, ignore_errors=True)


def _hidden(parent: pathlib.Path) -> list[pathlib.Path]:
  return [path for path in parent.iterdir() if path.name.startswith(_HIDDEN)]
