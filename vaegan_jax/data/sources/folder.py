"""A folder of images of any kind and size."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import os
import pathlib
from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import UInt8

from vaegan_jax.data import sources
from vaegan_jax.data.images import archives, decoding, resizing
from vaegan_jax.data.sources import files

_SUFFIXES = ('.jpg', '.jpeg', '.png', '.webp', '.bmp')

# Without a folder train/ a hash of the path decides: 90, 5 and 5 percent.
_BOUNDS = {'train': 0.9, 'validation': 0.95}


@dataclasses.dataclass(frozen=True)
class Folder(files.FileSource):
  """Images in a folder and its sub-folders, cropped about their centre.

  If the folder holds `train/`, the splits are the folders `train/`,
  `validation/` (or `val/`) and `test/`, and other files are ignored. Otherwise
  a hash of each image's path puts it in train (90 %), validation or test (5 %
  each), so adding images moves none.

  Attributes:
    path: the folder. Its jpg, jpeg, png, webp and bmp files are read, except
      those whose names begin with a dot. An optional `attributes.csv` names
      its columns in the first line; every other line has the path of an image
      relative to the folder, then numbers, or words such as true and false.
    size: height and width of the images.
    channels: 1 (grey) or 3 (RGB).
    skip_broken: leave out any number of broken images.
  """

  path: pathlib.Path
  size: tuple[int, int]
  channels: int = 3
  skip_broken: bool = False

  name = 'folder'
  _tables = ('attributes.csv',)

  def fingerprint(self) -> dict[str, Any]:
    """Covers the settings, the files' names and sizes, and attributes.csv."""
    sizes = {name: (self.path / name).stat().st_size for name in self._files}
    return {
      'resizing': resizing.VERSION,
      'images': files.digest(sizes),
      'attributes': self._labels_digest(),
    }

  def _read(self, name: str) -> UInt8[np.ndarray, 'height width channels']:
    data = archives.read_file(self.path / name, name)
    pixels = decoding.decode(data, channels=self.channels, name=name)
    return resizing.fit(pixels, self.size)

  def _names(self, split: str) -> list[str]:
    return self._splits[split]

  @functools.cached_property
  def _splits(self) -> dict[str, list[str]]:
    named = any(name.startswith('train/') for name in self._files)
    split_of = _split_by_folder if named else _split_by_hash
    splits = [(split_of(name), name) for name in self._files]
    return {
      wanted: [name for split, name in splits if split == wanted]
      for wanted in sources.SPLITS
    }

  @functools.cached_property
  def _files(self) -> list[str]:
    """Lists all images as sorted relative paths."""
    if not self.path.is_dir():
      raise FileNotFoundError(
        f'{self.path} is not a folder; name one that holds images'
      )
    found = sorted(_walk(self.path))
    if not found:
      raise FileNotFoundError(
        f'{self.path} and its sub-folders hold no image; put '
        f'{", ".join(_SUFFIXES)} files there'
      )
    return found

  @property
  def _listed(self) -> list[str]:
    return self._files


def _walk(root: pathlib.Path) -> Iterator[str]:
  """Yields relative paths of images with slashes; enters each folder once."""
  seen: set[str] = set()
  for folder, folders, names in os.walk(root, followlinks=True):
    real = os.path.realpath(folder)
    if real in seen:
      folders.clear()
      continue
    seen.add(real)
    folders[:] = [name for name in folders if not name.startswith('.')]
    relative = pathlib.Path(folder).relative_to(root)
    for name in names:
      if name.lower().endswith(_SUFFIXES) and not name.startswith('.'):
        yield (relative / name).as_posix()


def _split_by_folder(name: str) -> str:
  """Returns the first folder, which may be no split."""
  first = name.partition('/')[0]
  return 'validation' if first == 'val' else first


def _split_by_hash(name: str) -> str:
  digest = hashlib.sha256(name.encode()).digest()
  share = int.from_bytes(digest[:8], 'big') / 2**64
  return next((s for s, bound in _BOUNDS.items() if share < bound), 'test')
