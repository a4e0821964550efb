"""The images of a folder, a zip or a tgz file, by their bare names."""

from __future__ import annotations

import pathlib
import tarfile
import threading
import zipfile
import zlib
from typing import Protocol, runtime_checkable

_BROKEN = (OSError, EOFError, tarfile.TarError, zlib.error)


@runtime_checkable
class Archive(Protocol):
  """Files by name; `read` is safe to call from threads."""

  def sizes(self) -> dict[str, int]:
    """Maps each file's name, without folders, to its size in bytes."""
    ...

  def read(self, name: str) -> bytes:
    """Reads a file whole."""
    ...


class Folder:
  """The files of a folder: those directly in it, or those of a pattern.

  Args:
    path: the folder.
    pattern: '*/*' for the files in its sub-folders.
  """

  def __init__(self, path: pathlib.Path, *, pattern: str = '*'):
    self._files = {
      file.name: file for file in path.glob(pattern) if file.is_file()
    }

  def sizes(self) -> dict[str, int]:
    """Maps each file's name, without folders, to its size in bytes."""
    return {name: file.stat().st_size for name, file in self._files.items()}

  def read(self, name: str) -> bytes:
    """Reads a file whole."""
    return self._files[name].read_bytes()


class Zip:
  """The files in a zip, in whatever folders; open until it is forgotten.

  Raises:
    ValueError: the file is no whole zip.
  """

  def __init__(self, path: pathlib.Path):
    try:
      self._zip = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
      raise ValueError(
        f'{path} is no whole zip file ({error}): a download cut short, or a '
        'web page in its place; fetch it again'
      ) from error
    self._members = {
      member.filename.rpartition('/')[2]: member
      for member in self._zip.infolist()
      # What a Mac adds: '__MACOSX/._000001.jpg' is no picture.
      if not member.is_dir() and '__MACOSX' not in member.filename
    }
    self._lock = threading.Lock()

  def sizes(self) -> dict[str, int]:
    """Maps each file's name, without folders, to its size in bytes."""
    return {name: info.file_size for name, info in self._members.items()}

  def read(self, name: str) -> bytes:
    """Reads a file whole."""
    with self._lock:
      return self._zip.read(self._members[name])


class Tgz:
  """The files in a gzipped tar; all of them are held in memory.

  Such a file can be read in its own order only, so it is read once. Links and
  devices are passed over, and nothing is written where a member's name says.

  Raises:
    ValueError: the file is no whole tgz.
  """

  def __init__(self, path: pathlib.Path):
    self._files: dict[str, bytes] = {}
    try:
      with tarfile.open(path, 'r:gz') as tar:
        for member in tar:
          file = tar.extractfile(member) if member.isreg() else None
          if file is not None:
            self._files[member.name.rpartition('/')[2]] = file.read()
    except _BROKEN as error:
      raise ValueError(
        f'{path} is no whole tgz file ({error}): a download cut short, or a '
        'web page in its place; fetch it again'
      ) from error

  def sizes(self) -> dict[str, int]:
    """Maps each file's name, without folders, to its size in bytes."""
    return {name: len(data) for name, data in self._files.items()}

  def read(self, name: str) -> bytes:
    """Reads a file whole."""
    return self._files[name]
