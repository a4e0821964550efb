"""A folder of images of any kind and size."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import os
import pathlib
import warnings
from concurrent import futures
from typing import Any

import numpy as np
from jaxtyping import Shaped, UInt8

from vaegan_jax.data import cache, decoding, resizing, tables

_SUFFIXES = ('.jpg', '.jpeg', '.png', '.webp', '.bmp')

# Sub-folders that are splits, if there is a folder train/.
_FOLDERS = {
  'train': ('train',),
  'validation': ('validation', 'val'),
  'test': ('test',),
}

# Without such sub-folders a hash of the path decides: 90, 5 and 5 percent.
_BOUNDS = {'train': (0.0, 0.9), 'validation': (0.9, 0.95), 'test': (0.95, 1.0)}

# As many files may be broken without a question.
_TOLERATED = 0.001


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
    skip_broken: go on without files that cannot be decoded, however many.
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
    header = next(tables.rows(self._list), [])
    return tuple(header[1:])

  def fingerprint(self) -> dict[str, Any]:
    """Covers the settings, the files' names and sizes, and attributes.csv."""
    lists = self._list.read_bytes() if self._list.is_file() else b''
    return {
      'skip_broken': self.skip_broken,
      'resizing': resizing.VERSION,
      'images': cache.files_digest(
        {name: (self.path / name).stat().st_size for name in self._files}
      ),
      'attributes': hashlib.sha256(lists).hexdigest(),
    }

  def length(self, split: str) -> int:
    """Counts the images of a split that can be decoded."""
    return len(self._names[split])

  def attributes(
    self, split: str
  ) -> Shaped[np.ndarray, 'images attributes'] | None:
    """Gives what attributes.csv says of each image, or None.

    Attributes that hold or not, 1 or 0 all of them, are int8; scores float32.

    Raises:
      ValueError: it leaves images out.
    """
    if not self.attribute_names:
      return None
    rows = {row[0]: row for row in tables.rows(self._list)}
    found = tables.lookup(
      rows,
      self._names[split],
      columns=len(self.attribute_names),
      path=self._list,
      remedy=f'its first column must be the path relative to {self.path}, '
      'with / between folders',
    )
    return found.astype(np.int8) if np.isin(found, (0, 1)).all() else found

  def read(
    self, split: str, start: int, stop: int
  ) -> UInt8[np.ndarray, 'images height width channels']:
    """Decodes, crops and resizes the images start..stop-1."""
    return np.stack([self._image(n) for n in self._names[split][start:stop]])

  def _image(self, name: str) -> UInt8[np.ndarray, 'height width channels']:
    data = (self.path / name).read_bytes()
    try:
      pixels = decoding.decode(data, channels=self.channels)
    except ValueError as error:
      raise ValueError(f'{self.path / name}: {error}') from error
    return resizing.fit(pixels, self.size)

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
    """Sorts the images that can be decoded into the splits."""
    split_of = _split_by_folder
    if not any(name.startswith('train/') for name in self._files):
      split_of = _split_by_hash
    names: dict[str, list[str]] = {split: [] for split in cache.SPLITS}
    for name in self._files:
      split = split_of(name)
      if split is not None:
        names[split].append(name)
    broken = self._broken([name for part in names.values() for name in part])
    return {
      split: [name for name in part if name not in broken]
      for split, part in names.items()
    }

  def _broken(self, names: list[str]) -> set[str]:
    """Tries all files, because a split's length must be known beforehand.

    Raises:
      ValueError: too many files cannot be decoded.
    """
    with futures.ThreadPoolExecutor(os.cpu_count()) as pool:
      whole = pool.map(self._is_whole, names, chunksize=64)
      broken = [name for name, w in zip(names, whole, strict=True) if not w]
    if not broken:
      return set()
    what = f'{tables.some(broken, len(names))} in {self.path} cannot be decoded'
    if len(broken) > _TOLERATED * len(names) and not self.skip_broken:
      raise ValueError(
        f'{what}; mend or remove them, or set skip_broken to go on without'
      )
    warnings.warn(f'{what} and are left out', stacklevel=2)
    return set(broken)

  def _is_whole(self, name: str) -> bool:
    try:
      decoding.check((self.path / name).read_bytes())
    except ValueError:
      return False
    return True


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
