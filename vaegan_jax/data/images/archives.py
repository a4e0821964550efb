"""Image files of a folder, a zip or a tgz, by their names.

Nothing is unpacked to disk, so names in an archive cannot write anywhere.
"""

from __future__ import annotations

import functools
import pathlib
import stat
import tarfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from vaegan_jax.data.images import defects
from vaegan_jax.files import contents

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
    name: the name by which it is read.
    path: its path in the archive, with folders.
    stamp: size and CRC-32; of a file on disk, which is not read for it,
      `contents.stamp`.
    read: reads the whole file; its name is for error messages.
    on_disk: whether it is a file of a folder.
  """

  name: str
  path: str
  stamp: contents.Stamp
  read: Callable[[str], bytes]
  on_disk: bool = False

  @property
  def size(self) -> int:
    """Bytes; 0 for a file that cannot be examined."""
    return self.stamp[0] or 0


class Archive:
  """Files by their names; identical copies count once.

  Args:
    path: the folder or archive, for error messages.
    members: its files.

  Raises:
    ValueError: two files have the same name and different content.
  """

  def __init__(self, path: pathlib.Path, members: Iterable[_Member]):
    self.path, self._members = path, dict[str, _Member]()
    for member in members:
      first = self._members.setdefault(member.name, member)
      if first is not member and _contents([first]) != _contents([member]):
        raise ValueError(
          f'{path} holds {first.path} and {member.path}, which have the same '
          'name and different content; remove one'
        )

  def sizes(self) -> dict[str, int]:
    """Maps each file's name to its size in bytes."""
    return {name: member.size for name, member in self._members.items()}

  def path_of(self, name: str) -> str:
    """Returns the path in the archive of a file."""
    return self._members[name].path

  def contents(self, names: Iterable[str]) -> dict[str, contents.Stamp]:
    """Returns size and CRC-32 of the named files; reads those on disk."""
    return _contents([self._members[n] for n in names if n in self._members])

  def stamps(self, names: Iterable[str]) -> dict[str, contents.Stamp]:
    """Returns what changes when a named file does, without reading it."""
    members = self._members
    return {n: members[n].stamp for n in names if n in members}

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
  files = (file for file in sorted(path.glob(pattern)) if file.is_file())
  return Archive(path, [_on_disk(file.name, file) for file in files])


def open_files(root: pathlib.Path, names: Iterable[str]) -> Archive:
  """Opens files of a folder by their paths relative to it."""
  return Archive(root, [_on_disk(name, root / name) for name in names])


def open_zip(path: pathlib.Path) -> Archive:
  """Opens a zip, which stays open; links are ignored.

  Raises:
    ValueError: the file is damaged or encrypted, or as `Archive`.
    OSError, MemoryError: it could not be read, and may be intact.
  """
  try:
    archive = zipfile.ZipFile(path)
  except defects.READ_ERRORS as error:
    raise _not_opened(path, 'zip', error) from error
  files = [info for info in archive.infolist() if _is_plain(info)]
  encrypted = [i.filename for i in files if i.flag_bits & _ENCRYPTED]
  if encrypted:
    raise ValueError(
      f'{path} is encrypted ({encrypted[0]}): unpack it with its password and '
      'name the folder, or pack it again without'
    )
  lock = threading.Lock()
  members = (
    _packed(
      i.filename,
      [i.file_size, i.CRC],
      functools.partial(_read_zip, archive, lock, i),
    )
    for i in files
  )
  return Archive(path, members)


def open_tgz(path: pathlib.Path) -> Archive:
  """Reads a gzipped tar into memory; links and devices are ignored.

  A gzipped tar can only be read in its own order, so it is read once.

  Raises:
    ValueError: the file is damaged or unpacks to more than `MAX_TGZ`, or as
      `Archive`.
    OSError, MemoryError: it could not be read, and may be intact.
  """
  members: list[_Member] = []
  total = 0
  try:
    with tarfile.open(path, 'r:gz') as tar:
      for member in _unpack(tar):
        members.append(member)
        total += member.size if member.size <= MAX_FILE else 0
        if total > MAX_TGZ:
          break
  except defects.READ_ERRORS as error:
    raise _not_opened(path, 'tgz', error) from error
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
    found = path.stat()
    _check_size(found.st_size, name=name)
    # Opening a pipe would wait for a writer.
    if not stat.S_ISREG(found.st_mode):
      raise defects.BrokenImage(name, 'it is no file; remove it')
    return path.read_bytes()
  except OSError as error:
    defects.raise_if_passing(error, name=name)
    what = 'it is a link to a missing file' if path.is_symlink() else ''
    raise defects.BrokenImage(
      name, f'{what or "it cannot be read"} ({error.strerror})'
    ) from error


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
    defects.raise_if_passing(error, name=name)
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
      stamp: contents.Stamp = [info.size, zlib.crc32(data)]
      yield _packed(info.name, stamp, _in_memory(data))


def _in_memory(data: bytes) -> Callable[[str], bytes]:
  return lambda name: data


def _packed(
  path: str, stamp: contents.Stamp, read: Callable[[str], bytes]
) -> _Member:
  bare = path.replace('\\', '/').rpartition('/')[2]
  return _Member(bare, path, stamp, read)


def _on_disk(name: str, path: pathlib.Path) -> _Member:
  read = functools.partial(read_file, path)
  return _Member(name, str(path), contents.stamp(path), read, on_disk=True)


def _contents(members: Sequence[_Member]) -> dict[str, contents.Stamp]:
  """Maps names to size and CRC-32."""
  found = {member.name: member.stamp for member in members}
  on_disk = [member for member in members if member.on_disk]
  paths = [pathlib.Path(member.path) for member in on_disk]
  crcs = contents.crcs(paths, largest=MAX_FILE)
  for member, crc in zip(on_disk, crcs, strict=True):
    found[member.name] = [member.size, crc]
  return found


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


def _not_opened(
  path: pathlib.Path, kind: str, error: Exception
) -> OSError | MemoryError | ValueError:
  """Returns the error of an archive; damage is what the content shows."""
  if isinstance(error, MemoryError):
    return MemoryError(
      f'{path}: too little memory to read it; free some, or unpack it and name '
      'the folder'
    )
  if isinstance(error, OSError) and error.errno is not None:
    return OSError(error.errno, f'{path} cannot be read: {error.strerror}')
  return ValueError(
    f'{path} is not a valid {kind} file ({error}): an incomplete download, or '
    'a web page in its place; fetch it again'
  )
