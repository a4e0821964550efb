"""The images of a folder, a zip or a tgz file, by their bare names.

Nothing is unpacked to disk, so that no name in an archive can say where.
"""

from __future__ import annotations

import filecmp
import pathlib
import stat
import struct
import tarfile
import threading
import zipfile
import zlib
from collections.abc import Callable, Iterable
from typing import NamedTuple, Protocol, TypeVar, runtime_checkable

from vaegan_jax.data.images import skipping

# Bytes of a file that may be an image; an archive can claim any number.
LARGEST = 256 << 20

# Bytes of all files of a tgz, which are held in memory.
LARGEST_TGZ = 4 << 30

# What the readers of zip and tar files raise for what is damaged.
_DAMAGED = (
  OSError,
  EOFError,
  ValueError,
  LookupError,
  ArithmeticError,
  RuntimeError,
  struct.error,
  zlib.error,
  tarfile.TarError,
  zipfile.BadZipFile,
)

_ENCRYPTED = 0x1

# LZMA would take as much memory as a file asks for.
_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)

_File = TypeVar('_File')


@runtime_checkable
class Archive(Protocol):
  """Files by name; `read` is safe to call from threads."""

  def sizes(self) -> dict[str, int]:
    """Maps each file's name, without folders, to its size in bytes."""
    ...

  def read(self, name: str) -> bytes:
    """Reads a file whole.

    Raises:
      Broken: it is not there, is damaged, or has an absurd size.
    """
    ...


class Folder:
  """The files of a folder: those directly in it, or those of a pattern.

  Args:
    path: the folder.
    pattern: '*/*' for the files in its sub-folders.

  Raises:
    ValueError: two of them have the same name, and not the same content.
  """

  def __init__(self, path: pathlib.Path, *, pattern: str = '*'):
    self._files = _by_name(
      ((str(f), f) for f in sorted(path.glob(pattern)) if f.is_file()),
      same=lambda one, other: filecmp.cmp(one, other, shallow=False),
      path=path,
    )

  def sizes(self) -> dict[str, int]:
    """Maps each file's name, without folders, to its size in bytes."""
    return {name: file.stat().st_size for name, file in self._files.items()}

  def read(self, name: str) -> bytes:
    """Reads a file whole."""
    return read_file(_find(self._files, name), name=name)


class Zip:
  """The files in a zip, in whatever folders; open until it is forgotten.

  Links in it are passed over.

  Raises:
    ValueError: the file is no whole zip, is encrypted, or has two files of
      the same name and not the same content.
  """

  def __init__(self, path: pathlib.Path):
    try:
      self._zip = zipfile.ZipFile(path)
    except _DAMAGED as error:
      raise _cut_short(path, 'zip', error) from error
    members = [m for m in self._zip.infolist() if _is_plain(m)]
    encrypted = [m.filename for m in members if m.flag_bits & _ENCRYPTED]
    if encrypted:
      raise ValueError(
        f'{path} is encrypted ({encrypted[0]}): unpack it with its password '
        'and name the folder, or pack it again without'
      )
    self._members = _by_name(
      ((m.filename, m) for m in members),
      same=lambda a, b: (a.CRC, a.file_size) == (b.CRC, b.file_size),
      path=path,
    )
    self._lock = threading.Lock()

  def sizes(self) -> dict[str, int]:
    """Maps each file's name, without folders, to its size in bytes."""
    return {name: info.file_size for name, info in self._members.items()}

  def read(self, name: str) -> bytes:
    """Reads a file whole."""
    member = _find(self._members, name)
    _check_size(member.file_size, name=name)
    if member.compress_type not in _METHODS:
      raise skipping.Broken(
        name,
        f'packed by method {member.compress_type}; pack the zip again by '
        'deflation, or unpack it and name the folder',
      )
    try:
      with self._lock:
        data = self._zip.read(member)
      if len(data) != member.file_size:
        raise ValueError(f'{len(data)} bytes of {member.file_size}')
    except _DAMAGED as error:
      raise skipping.Broken(
        name, f'damaged in the zip ({error}); fetch that again'
      ) from error
    return data


class Tgz:
  """The files in a gzipped tar; all of them are held in memory.

  Such a file can be read in its own order only, so it is read once. Links and
  devices are passed over, and nothing is written where a member's name says.

  Raises:
    ValueError: the file is no whole tgz, is too large for the memory, or has
      two files of the same name and not the same content.
  """

  def __init__(self, path: pathlib.Path):
    try:
      with tarfile.open(path, 'r:gz') as tar:
        found = _unpacked(tar, path)
    except _TooLarge:
      raise
    except _DAMAGED as error:
      raise _cut_short(path, 'tgz', error) from error
    self._files = _by_name(found, same=_Unpacked.__eq__, path=path)

  def sizes(self) -> dict[str, int]:
    """Maps each file's name, without folders, to its size in bytes."""
    return {name: file.size for name, file in self._files.items()}

  def read(self, name: str) -> bytes:
    """Reads a file whole."""
    file = _find(self._files, name)
    _check_size(file.size, name=name)
    return file.data


class _Unpacked(NamedTuple):
  """A file of a tgz; without its data, if its size is absurd."""

  size: int
  data: bytes


class _TooLarge(ValueError):
  """Reports a tgz that does not fit into memory."""


def read_file(path: pathlib.Path, *, name: str) -> bytes:
  """Reads a file of a folder whole.

  Raises:
    Broken: it cannot be read, or has an absurd size.
  """
  try:
    _check_size(path.stat().st_size, name=name)
    return path.read_bytes()
  except OSError as error:
    raise skipping.Broken(name, f'it cannot be read ({error})') from error


def _unpacked(
  tar: tarfile.TarFile, path: pathlib.Path
) -> list[tuple[str, _Unpacked]]:
  found: list[tuple[str, _Unpacked]] = []
  total = 0
  for member in tar:
    file = tar.extractfile(member) if member.isreg() else None
    if file is None:
      continue
    data = file.read() if member.size <= LARGEST else b''
    found.append((member.name, _Unpacked(member.size, data)))
    total += len(data)
    if total > LARGEST_TGZ:
      raise _TooLarge(
        f'{path} unpacks to more than {LARGEST_TGZ >> 20} MB, which would be '
        'held in memory; unpack it and name the folder'
      )
  return found


def _is_plain(member: zipfile.ZipInfo) -> bool:
  """Tells a file from a folder, a link, and what a Mac adds to a picture."""
  kind = stat.S_IFMT(member.external_attr >> 16)
  return (
    # Not member.is_dir(), which fails where there is no name at all.
    member.filename[-1:] not in ('', '/')
    and kind in (0, stat.S_IFREG)
    and '__MACOSX' not in member.filename
  )


def _by_name(
  files: Iterable[tuple[str, _File]],
  *,
  same: Callable[[_File, _File], bool],
  path: pathlib.Path,
) -> dict[str, _File]:
  """Maps bare names to files; copies of one file count once.

  Raises:
    ValueError: naming two files of one name that are no copies.
  """
  found: dict[str, tuple[str, _File]] = {}
  for long_name, file in files:
    name = long_name.replace('\\', '/').rpartition('/')[2]
    first, kept = found.setdefault(name, (long_name, file))
    if kept is not file and not same(kept, file):
      raise ValueError(
        f'{path} holds {first} and {long_name}, of one name but not the same: '
        'which of them is meant? Remove one'
      )
  return {name: file for name, (_, file) in found.items()}


def _find(files: dict[str, _File], name: str) -> _File:
  if name not in files:
    raise skipping.Broken(name, 'it is not there; fetch the images again')
  return files[name]


def _check_size(size: int, *, name: str) -> None:
  if size > LARGEST:
    raise skipping.Broken(
      name, f'{size} bytes are more than {LARGEST}: no image is so large'
    )


def _cut_short(path: pathlib.Path, kind: str, error: Exception) -> ValueError:
  return ValueError(
    f'{path} is no whole {kind} file ({error}): a download cut short, or a web '
    'page in its place; fetch it again'
  )
