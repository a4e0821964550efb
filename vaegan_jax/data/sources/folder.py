"""A folder of images of any kind and size."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import os
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Shaped, UInt8

from vaegan_jax.data import cache
from vaegan_jax.data.images import (
  archives,
  decoding,
  label_tables,
  resizing,
  skipping,
)

_SUFFIXES = ('.jpg', '.jpeg', '.png', '.webp', '.bmp')

# Sub-folders that are splits, if there is a folder train/.
_FOLDERS = {
  'train': ('train',),
  'validation': ('validation', 'val'),
  'test': ('test',),
}

# Without such sub-folders a hash of the path decides: 90, 5 and 5 percent.
_BOUNDS = {'train': (0.0, 0.9), 'validation': (0.9, 0.95), 'test': (0.95, 1.0)}


@dataclasses.dataclass(frozen=True)
class Folder:
  """Images in a folder and its sub-folders, cropped about their centre.

  If the folder holds `train/`, the splits are the folders `train/`,
  `validation/` (or `val/`) and `test/`, and other files are left alone.
  Otherwise a hash of each image's path puts it in train (90 %), validation or
  test (5 % each), so that adding images moves none.

  Attributes:
    path: the folder; jpg, jpeg, png, webp and bmp files in it are read, except
      those whose names begin with a dot. `attributes.csv` in it, if there,
      names columns in its first line and gives for each image its path
      relative to the folder, then numbers.
    size: height and width of the images.
    channels: 1 (grey) or 3 (RGB).
    skip_broken: go on without images that cannot be used, however many.
  """

  path: pathlib.Path
  size: tuple[int, int]
  channels: int = 3
  skip_broken: bool = False

  @property
  def name(self) -> str:
    """What the user wrote in the config."""
    return 'folder'

  @functools.cached_property
  def attribute_names(self) -> tuple[str, ...]:
    """The columns of attributes.csv; none if there is no such file."""
    if not self._list.is_file():
      return ()
    header = next(label_tables.rows(self._list), [])
    return tuple(header[1:])

  def fingerprint(self) -> dict[str, Any]:
    """Covers the settings, the files' names and sizes, and attributes.csv."""
    lists = self._list.read_bytes() if self._list.is_file() else b''
    return {
      'resizing': resizing.VERSION,
      'images': cache.files_digest(
        {name: (self.path / name).stat().st_size for name in self._files}
      ),
      'attributes': hashlib.sha256(lists).hexdigest(),
    }

  def length(self, split: str) -> int:
    """Counts the images of a split, broken ones among them.

    Raises:
      ValueError: too many have no attributes.
    """
    return skipping.count(
      self._names[split],
      unusable=self._unusable,
      label=f'{self.name} {split}',
      allowed=self.skip_broken,
    )

  def attributes(
    self, split: str
  ) -> Shaped[np.ndarray, 'images attributes'] | None:
    """Gives what attributes.csv says of each image, or None.

    Attributes that hold or not, 1 or 0 all of them, are int8; scores float32.
    """
    if not self.attribute_names:
      return None
    found = label_tables.lookup(
      self._rows,
      self._names[split],
      columns=len(self.attribute_names),
      path=self._list,
    )
    return found.astype(np.int8) if np.isin(found, (0, 1)).all() else found

  def read(
    self, split: str, start: int, stop: int
  ) -> UInt8[np.ndarray, 'images height width channels']:
    """Decodes, crops and resizes the images start..stop-1."""
    names = self._names[split][start:stop]
    skipping.refuse(names, unusable=self._unusable)
    return np.stack([self._image(name) for name in names])

  def _image(self, name: str) -> UInt8[np.ndarray, 'height width channels']:
    data = archives.read_file(self.path / name, name=name)
    pixels = decoding.decode(data, channels=self.channels, name=name)
    return resizing.fit(pixels, self.size)

  @functools.cached_property
  def _rows(self) -> dict[str, Sequence[str]]:
    """Maps paths to their rows of attributes.csv."""
    rows = label_tables.rows(self._list) if self.attribute_names else iter(())
    return label_tables.by_name(rows, path=self._list)

  @functools.cached_property
  def _unusable(self) -> dict[str, str]:
    """Maps images to what is known to be wrong without reading them."""
    if not self.attribute_names:
      return {}
    what = (
      f'{self._list} has no row of it: its first column must be the path '
      f'relative to {self.path}, with / between folders'
    )
    return {name: what for name in self._files if name not in self._rows}

  @property
  def _list(self) -> pathlib.Path:
    return self.path / 'attributes.csv'

  @functools.cached_property
  def _files(self) -> list[str]:
    """Finds all images, as sorted relative paths."""
    if not self.path.is_dir():
      raise FileNotFoundError(
        f'{self.path} is no folder; name one that holds images'
      )
    found = sorted(_walk(self.path))
    if not found:
      raise FileNotFoundError(
        f'{self.path} and its sub-folders hold no image; put '
        f'{", ".join(_SUFFIXES)} files there'
      )
    return found

  @functools.cached_property
  def _names(self) -> dict[str, list[str]]:
    """Sorts the images into the splits."""
    split_of = _split_by_folder
    if not any(name.startswith('train/') for name in self._files):
      split_of = _split_by_hash
    names: dict[str, list[str]] = {split: [] for split in cache.SPLITS}
    for name in self._files:
      split = split_of(name)
      if split is not None:
        names[split].append(name)
    return names


def _walk(root: pathlib.Path) -> list[str]:
  """Lists images by relative paths with slashes; follows links once."""
  found: list[str] = []
  seen: set[str] = set()
  for folder, folders, files in os.walk(root, followlinks=True):
    real = os.path.realpath(folder)
    folders[:] = [] if real in seen else [d for d in folders if d[0] != '.']
    if real not in seen:
      relative = pathlib.Path(folder).relative_to(root)
      found += [(relative / f).as_posix() for f in files if _is_image(f)]
    seen.add(real)
  return found


def _is_image(name: str) -> bool:
  return name.lower().endswith(_SUFFIXES) and not name.startswith('.')


def _split_by_folder(name: str) -> str | None:
  top = name.split('/', 1)[0]
  return next((s for s, tops in _FOLDERS.items() if top in tops), None)


def _split_by_hash(name: str) -> str | None:
  digest = hashlib.sha256(name.encode()).digest()
  share = int.from_bytes(digest[:8], 'big') / 2**64
  return next(s for s, (low, high) in _BOUNDS.items() if low <= share < high)
