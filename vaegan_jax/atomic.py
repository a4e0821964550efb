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


@contextlib.contextmanager
def new_folder(folder: pathlib.Path) -> Iterator[pathlib.Path]:
  """Gives a folder to fill, which gets its name when the block ends.

  If another process was first, its folder is kept. If the block raises,
  nothing is left behind.

  Args:
    folder: that must not exist yet; those above it are made.

  Raises:
    OSError: the disk is full, or the place cannot be written to.
  """
  folder.parent.mkdir(parents=True, exist_ok=True)
  _remove_abandoned(folder)
  temporary = pathlib.Path(
    tempfile.mkdtemp(prefix=_hidden(folder, os.getpid()), dir=folder.parent)
  )
  try:
    yield temporary
    temporary.chmod(0o755)  # a temporary folder is closed to other users
    for path in (*temporary.rglob('*'), temporary):
      sync(path)
    _rename(temporary, folder)
    sync(folder.parent)
  finally:
    shutil.rmtree(temporary, ignore_errors=True)


def write_text(path: pathlib.Path, text: str) -> None:
  """Writes a file, or replaces it, in one move.

  Raises:
    OSError: the disk is full, or the place cannot be written to.
  """
  temporary = path.with_name(f'.{path.name}.{os.getpid()}')
  try:
    temporary.write_text(text, encoding='utf-8')
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


def _hidden(folder: pathlib.Path, process: int | str) -> str:
  return f'.{folder.name}-{socket.gethostname()}-{process}-'


def _remove_abandoned(folder: pathlib.Path) -> None:
  """Removes what processes of this host left that are no more."""
  start = _hidden(folder, '')[:-1]
  for left in list(folder.parent.iterdir()):
    process = left.name.removeprefix(start).partition('-')[0]
    ours = left.name.startswith(start) and process.isdigit()
    if ours and not psutil.pid_exists(int(process)):
      shutil.rmtree(left, ignore_errors=True)
