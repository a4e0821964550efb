"""The images of a folder or of a zip file, by their bare names."""

from __future__ import annotations

import pathlib
import threading
import zipfile
from typing import Protocol, runtime_checkable


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
  """The files that lie directly in a folder."""

  def __init__(self, path: pathlib.Path):
    self._path = path

  def sizes(self) -> dict[str, int]:
    """Maps each file's name to its size in bytes."""
    return {
      path.name: path.stat().st_size
      for path in self._path.iterdir()
      if path.is_file()
    }

  def read(self, name: str) -> bytes:
    """Reads a file whole."""
    return (self._path / name).read_bytes()


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
