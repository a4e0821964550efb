"""Tells whether files have changed: by a cheap stamp, and by their content."""

from __future__ import annotations

import pathlib
import stat
import zlib
from collections.abc import Sequence
from concurrent import futures
from typing import TypeAlias

from vaegan_jax.files import cores

# Files that a thread reads at a time, and bytes in memory.
_CHUNK, _BYTES = 64, 1 << 20

# A size in bytes, then times or a checksum; [None] without a readable file.
Stamp: TypeAlias = list[int | None]


def stamp(path: pathlib.Path) -> Stamp:
  """Returns what a file system changes whenever it changes a file.

  The times of change cannot be set back, unlike the times of modification, and
  a file that replaces another has its own. Inode numbers are left out: network
  file systems in user space, such as gcsfuse, draw them anew at each mount.

  Returns:
    size in bytes, times of modification and of change in nanoseconds;
    [None] if the file does not exist or cannot be examined.
  """
  try:
    found = path.stat()
  except OSError:
    return [None]
  return [found.st_size, found.st_mtime_ns, found.st_ctime_ns]


def crcs(
  paths: Sequence[pathlib.Path], *, largest: int | None = None
) -> list[int | None]:
  """Reads files on all cores and returns their CRC-32, as zips store it.

  Args:
    paths: the files.
    largest: the size in bytes of the largest file to read; None is any.

  Returns:
    None for each file that is larger or cannot be read.
  """
  chunks = [paths[i : i + _CHUNK] for i in range(0, len(paths), _CHUNK)]
  with futures.ThreadPoolExecutor(cores.count()) as pool:
    found = pool.map(lambda chunk: [_crc(p, largest) for p in chunk], chunks)
    return [crc for chunk in found for crc in chunk]


def _crc(path: pathlib.Path, largest: int | None) -> int | None:
  try:
    found = path.stat()
    # Opening a pipe would wait for a writer.
    if not stat.S_ISREG(found.st_mode):
      return None
    if largest is not None and found.st_size > largest:
      return None
    crc = 0
    with path.open('rb') as file:
      while data := file.read(_BYTES):
        crc = zlib.crc32(data, crc)
    return crc
  except OSError:
    return None
