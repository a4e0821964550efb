"""Finds the images in a folder, and counts what is left out."""

from __future__ import annotations

import collections
import os
import pathlib
import re
from collections.abc import Collection
from typing import NamedTuple

from vaegan_jax.data.images import decoding, defects

# Folders of thumbnails, deleted files and snapshots, which the user does not
# see: those of macOS, Windows, Linux, and of Synology's and QNAP's storage.
_SYSTEM = re.compile(
  r'\..*|__MACOSX|System Volume Information|\$RECYCLE\.BIN|RECYCLE[DR]|'
  r'lost\+found|@eaDir|@tmp|#recycle|#snapshot|@Recycle|@Recently-Snapshot|'
  r'@__thumb',
  re.IGNORECASE,
)

# A run has its settings, and one of these from its first second on.
_SETTINGS, _RUN = 'config.json', ('.lock', 'starts.jsonl', 'metrics.jsonl')

_TOP = pathlib.Path()

# Kinds of what is left out that a message lists.
_LISTED = 8


class Tree(NamedTuple):
  """The images in a folder and its sub-folders.

  Attributes:
    files: sorted relative paths, with slashes.
    left_out: how many other files there are, by kind.
  """

  files: list[str]
  left_out: collections.Counter[str]

  def describe(self) -> str:
    """Lists what is left out: '60 .psd, 12 in @eaDir/'; may be empty."""
    kinds = sorted(self.left_out.items(), key=lambda kind: (-kind[1], kind[0]))
    words = [f'{count} {kind}' for kind, count in kinds[:_LISTED]]
    if rest := sum(count for _, count in kinds[_LISTED:]):
      words.append(f'{rest} of other kinds')
    return ', '.join(words)


def scan(root: pathlib.Path, *, known: Collection[str] = ()) -> Tree:
  """Lists the files whose names end as those of images do.

  Links are followed, but no folder is entered twice. Hidden files, folders of
  the system and folders of runs, whose pictures are no data, are left out.

  Args:
    root: the folder.
    known: names in lower case of files of the folder that are not counted.

  Raises:
    OSError: the folder cannot be listed.
  """
  os.listdir(root)  # os.walk takes an error for an empty folder
  files: list[str] = []
  left_out: collections.Counter[str] = collections.Counter()

  def count_unlisted(error: OSError) -> None:
    left_out['folders that cannot be listed'] += 1

  seen: set[str] = set()
  walk = os.walk(root, followlinks=True, onerror=count_unlisted)
  for folder, folders, names in walk:
    relative = pathlib.Path(folder).relative_to(root)
    real = os.path.realpath(folder)
    again = 'in folders found before' if real in seen else ''
    if reason := again or _exclude(relative, names):
      folders.clear()
      left_out[reason] += _count_images(folder)
      continue
    seen.add(real)
    # A folder is listed by its own path rather than by a link to it.
    folders.sort(key=lambda f: (os.path.islink(os.path.join(folder, f)), f))
    for name in names:
      if kind := _left_out(name):
        left_out[kind] += relative != _TOP or name.lower() not in known
      elif is_image(name):
        files.append((relative / name).as_posix())
  return Tree(sorted(files), +left_out)


def is_image(name: str) -> bool:
  """Returns whether a name ends as those of readable images do."""
  return pathlib.PurePath(name).suffix.lower() in decoding.SUFFIXES


def _exclude(folder: pathlib.Path, names: Collection[str]) -> str:
  """Returns why no file of a folder is data, or ''."""
  if _SETTINGS in names and any(name in names for name in _RUN):
    return f'in the folder of a run, {defects.printable(str(folder))}/'
  if folder != _TOP and _SYSTEM.fullmatch(folder.name):
    return f'in {folder.name}/'
  return ''


def _left_out(name: str) -> str:
  """Returns which kind of file is left out; '' if none worth a word is."""
  if is_image(name) or name.startswith('.'):
    return 'hidden' if is_image(name) and name.startswith('.') else ''
  return (
    defects.printable(pathlib.PurePath(name).suffix.lower())
    or 'without an ending'
  )


def _count_images(folder: str) -> int:
  return sum(is_image(n) for _, _, names in os.walk(folder) for n in names)
