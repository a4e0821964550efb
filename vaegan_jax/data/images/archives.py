"""Image files of a folder, a zip or a tgz, by their bare names.

Nothing is unpacked to disk, so names in an archive cannot write anywhere.
"""

from __future__ import annotations

import filecmp
import functools
import operator
import pathlib
import stat
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from vaegan_jax.data.images import defects

# Largest image file in bytes; an archive can claim any size.
MAX_FILE = 256 << 20

# Largest content of a tgz in bytes; it is held in memory.
MAX_TGZ = 4 << 30

_ENCRYPTED = 0x1

# LZMA allocates as much memory as a file demands.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)


class _Member(NamedTuple):
  """A file of an archive.

  Attributes:
    path: its path in the archive, with folders.
    size: its size in bytes.
    content: what `same` compares.
    read: reads the whole file; its name is for error messages.
  """

  path: str
  size: int
  content: Any
  read: Callable[[str], bytes]

  @property
  def name(self) -> str:
    """The path without folders."""
    return self.path.replace('\\', '/').rpartition('/')[2]


class Archive:
  """Files by their bare names; identical copies count once.

  Args:
    path: the folder or archive, for error messages.
    members: its files.
    same: compares the contents of two members of equal size.

  Raises:
    ValueError: two files have the same name and different content.
  """

  def __init__(
    self,
    path: pathlib.Path,
    members: list[_Member],
    *,
    same: Callable[..., bool] = operator.eq,
  ):
    self._members: dict[str, _Member] = {}
    for member in members:
      first = self._members.setdefault(member.name, member)
      if first is member:
        continue
      if first.size != member.size or not same(first.content, member.content):
        raise ValueError(
          f'{path} holds {first.path} and {member.path}, which have the same '
          'name and different content; remove one'
        )

  def sizes(self) -> dict[str, int]:
    """Maps each file's name to its size in bytes."""
    return {name: member.size for name, member in self._members.items()}

  def read(self, name: str) -> bytes:
    """Reads a whole file; thread-safe.

    Raises:
      BrokenImage: it is missing, damaged or too large.
    """
    if name not in self._members:
      raise defects.BrokenImage(name, 'it is missing; fetch the images again')
    _check_size(self._members[name].size, name=name)
    return self._members[name].read(name)


def open_first(*paths: pathlib.Path, pattern: str = '*') -> Archive | None:
  """Opens the first path that exists: a folder, a .tgz, or else a zip.

  Args:
    *paths: the candidates.
    pattern: which files of a folder.

  Returns:
    None if no path exists.
  """
  for path in paths:
    if path.is_dir():
      return open_folder(path, pattern=pattern)
    if path.is_file():
      return open_tgz(path) if path.suffix == '.tgz' else open_zip(path)
  return None


def open_folder(path: pathlib.Path, *, pattern: str = '*') -> Archive:
  """Lists the files of a folder; '*/*' for those in its sub-folders.

  Raises:
    ValueError: as `Archive`.
  """
  members = [
    _Member(str(f), f.stat().st_size, f, functools.partial(read_file, f))
    for f in sorted(path.glob(pattern))
    if f.is_file()
  ]
  same = functools.partial(filecmp.cmp, shallow=False)
  return Archive(path, members, same=same)


def open_zip(path: pathlib.Path) -> Archive:
  """Opens a zip, which stays open; links are ignored.

  Raises:
    ValueError: the file is damaged or encrypted, or as `Archive`.
  """
  try:
    archive = zipfile.ZipFile(path)
  except defects.READ_ERRORS as error:
    raise _damaged(path, 'zip', error) from error
  files = [info for info in archive.infolist() if _is_plain(info)]
  encrypted = [i.filename for i in files if i.flag_bits & _ENCRYPTED]
  if encrypted:
    raise ValueError(
      f'{path} is encrypted ({encrypted[0]}): unpack it with its password and '
      'name the folder, or pack it again without'
    )
  read = functools.partial(_read_zip, archive, threading.Lock())
  members = [
    _Member(i.filename, i.file_size, i.CRC, functools.partial(read, i))
    for i in files
  ]
  return Archive(path, members)


def open_tgz(path: pathlib.Path) -> Archive:
  """Reads a gzipped tar into memory; links and devices are ignored.

  A gzipped tar can only be read in its own order, so it is read once.

  Raises:
    ValueError: the file is damaged or unpacks to more than `MAX_TGZ`, or as
      `Archive`.
  """
  members: list[_Member] = []
  total = 0
  try:
    with tarfile.open(path, 'r:gz') as tar:
      for member in _unpack(tar):
        members.append(member)
        total += len(member.content)
        if total > MAX_TGZ:
          break
  except defects.READ_ERRORS as error:
    raise _damaged(path, 'tgz', error) from error
  if total > MAX_TGZ:
    raise ValueError(
      f'{path} unpacks to more than {MAX_TGZ >> 20} MB, which would be held in '
      'memory; unpack it and name the folder'
    )
  return Archive(path, members)


def read_file(path: pathlib.Path, name: str) -> bytes:
  """Reads a whole file of a folder.

  Raises:
    BrokenImage: it cannot be read, or is too large.
  """
  try:
    _check_size(path.stat().st_size, name=name)
    return path.read_bytes()
  except OSError as error:
    raise defects.BrokenImage(name, f'it cannot be read ({error})') from error


def _read_zip(
  archive: zipfile.ZipFile,
  lock: threading.Lock,
  info: zipfile.ZipInfo,
  name: str,
) -> bytes:
  if info.compress_type not in _METHODS:
    raise defects.BrokenImage(
      name,
      f'compressed by method {info.compress_type}; pack the zip again with '
      'deflate, or unpack it and name the folder',
    )
  try:
    with lock:
      data = archive.read(info)
    if len(data) != info.file_size:
      raise ValueError(f'{len(data)} bytes of {info.file_size}')
  except defects.READ_ERRORS as error:
    raise defects.BrokenImage(
      name, f'damaged in the zip ({error}); fetch the zip again'
    ) from error
  return data


def _unpack(tar: tarfile.TarFile) -> Iterator[_Member]:
  """Yields regular files; those that are too large without their data."""
  for info in tar:
    file = tar.extractfile(info) if info.isreg() else None
    if file is not None:
      data = file.read() if info.size <= MAX_FILE else b''
      yield _Member(info.name, info.size, data, _in_memory(data))


def _in_memory(data: bytes) -> Callable[[str], bytes]:
  return lambda name: data


def _is_plain(info: zipfile.ZipInfo) -> bool:
  """Excludes folders, links and the metadata that macOS adds."""
  kind = stat.S_IFMT(info.external_attr >> 16)
  return (
    # Not info.is_dir(), which fails for an empty name.
    info.filename[-1:] not in ('', '/')
    and kind in (0, stat.S_IFREG)
    and '__MACOSX' not in info.filename
  )


def _check_size(size: int, *, name: str) -> None:
  if size > MAX_FILE:
    raise defects.BrokenImage(
      name, f'{size} bytes are more than {MAX_FILE}: no image is so large'
    )


def _damaged(path: pathlib.Path, kind: str, error: Exception) -> ValueError:
  return ValueError(
    f'{path} is not a valid {kind} file ({error}): an incomplete download, or '
    'a web page in its place; fetch it again'
  )
