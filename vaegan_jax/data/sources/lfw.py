"""LFW: 13,233 photographs of 5,749 people, as its authors hand it out.

Huang et al., Labeled faces in the wild, 2007, aligned by deep funneling; the
scores are those of Kumar et al., Attribute and simile classifiers for face
verification, ICCV 2009.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from vaegan_jax.data import cache
from vaegan_jax.data.images import (
  archives,
  face_crop,
  label_tables,
  resizing,
  skipping,
)
from vaegan_jax.files import checksums

_LOGGER = logging.getLogger(__name__)

_ARCHIVE = 'lfw-deepfunneled.tgz'
_FOLDERS = ('lfw-deepfunneled', 'lfw')
_ATTRIBUTES = 'lfw_attributes.txt'
_PEOPLE = {'train': 'peopleDevTrain.txt', 'test': 'peopleDevTest.txt'}
_SITE = 'vis-www.cs.umass.edu/lfw'

# Source: dataset/lfw.py, commit 1906387.
_FRAME = face_crop.Frame(
  full=(250, 250, 3),
  rows=slice(50, 200),
  columns=slice(50, 200),
  remedy=f'take the deep-funneled images, {_ARCHIVE}',
)

# The share of images without scores; of the whole set it is 0.7 %.
_UNSCORED = 0.01

# Four digits of a file's name count the images of a person.
_MOST_IMAGES = 9999

# What comes before the scores in each row of the attribute file.
_KEY = ['person', 'imagenum']


@dataclasses.dataclass(frozen=True)
class LFW:
  """LFW's faces: deep-funneled, cropped about their centre, with 73 scores.

  The people of 'train' and of 'test' are disjoint, so that neither networks
  nor an attribute predictor have seen a person they are tested on; there is
  no split 'validation'. Where the attribute file is present, only images with
  a row of scores are used, since the others can neither be conditioned on nor
  measured: of the whole set, 90 are left out. A warning counts them.

  Attributes:
    path: a folder with `lfw-deepfunneled.tgz` or what it unpacks to,
      `lfw-deepfunneled/` or `lfw/`; `peopleDevTrain.txt` and
      `peopleDevTest.txt`; and (optional) `lfw_attributes.txt`.
    size: height and width of the images.
    skip_broken: go on without images that cannot be used, however many, and
      without those that have no scores, be they more than in the whole set.
  """

  path: pathlib.Path
  size: tuple[int, int] = (64, 64)
  skip_broken: bool = False

  name = 'lfw'
  channels = 3

  @functools.cached_property
  def attribute_names(self) -> tuple[str, ...]:
    """The 73 names; none if there is no attribute file.

    Raises:
      ValueError: the file has no line that names its columns.
    """
    path = self._attribute_file
    if path is None:
      return ()
    for row in label_tables.rows(path, tabs=True):
      if row[0].startswith('#') and row[1:3] == _KEY:
        return tuple(row[3:])
    raise ValueError(
      f"{path} has no header: expected a line '#', 'person', 'imagenum' and "
      'the names of the attributes, with tabs between; fetch it again'
    )

  def fingerprint(self) -> dict[str, Any]:
    """Covers the lists, and the names and sizes of the images used."""
    attributes = self._attribute_file
    sizes = self._archive.sizes()
    used = [name for split in _PEOPLE for name in self._names(split)]
    return {
      'resizing': resizing.VERSION,
      'images': cache.files_digest(
        {name: sizes[name] for name in used if name in sizes}
      ),
      'people': {s: checksums.file_digest(self._people(s)) for s in _PEOPLE},
      'attributes': attributes and checksums.file_digest(attributes),
    }

  def length(self, split: str) -> int:
    """Counts the images of a split, missing ones among them.

    Raises:
      ValueError: too many are missing.
    """
    return skipping.count(
      self._names(split),
      unusable=self._unusable,
      label=f'{self.name} {split}',
      allowed=self.skip_broken,
    )

  def attributes(
    self, split: str
  ) -> Float32[np.ndarray, 'images attributes'] | None:
    """Gives the scores, positive where an attribute is present, or None."""
    path = self._attribute_file
    if path is None:
      return None
    return label_tables.lookup(
      self._scores,
      self._names(split),
      columns=len(self.attribute_names),
      path=path,
    )

  def read(
    self, split: str, start: int, stop: int
  ) -> UInt8[np.ndarray, 'images height width channels']:
    """Decodes, crops and reduces the images start..stop-1."""
    names = self._names(split)[start:stop]
    skipping.refuse(names, unusable=self._unusable)
    return face_crop.read(self._archive, names, frame=_FRAME, size=self.size)

  def _names(self, split: str) -> list[str]:
    if split not in _PEOPLE:
      raise ValueError(
        f'split {split!r} is empty: LFW is split by person into '
        f'{" and ".join(map(repr, _PEOPLE))}; take one of them'
      )
    return self._used[split]

  @functools.cached_property
  def _used(self) -> dict[str, list[str]]:
    """Maps each split to its images, once for all, so that it warns once."""
    listed = {split: _listed(self._people(split)) for split in _PEOPLE}
    self._check_people(listed)
    return {
      split: self._with_scores(split, names) for split, names in listed.items()
    }

  def _check_people(self, listed: dict[str, list[str]]) -> None:
    both = sorted(set(listed['train']) & set(listed['test']))
    if both:
      raise ValueError(
        f'{label_tables.some(both, len(listed["test"]))} of '
        f'{_PEOPLE["test"]} are in {_PEOPLE["train"]} as well: a model would '
        'be tested on what it was trained on; fetch both lists again'
      )

  @functools.cached_property
  def _unusable(self) -> dict[str, str]:
    """Maps images to what is known to be wrong without reading them."""
    sizes = self._archive.sizes()
    return {
      name: f'{_PEOPLE[split]} lists it, and {self.path} lacks it: fetch the '
      'images again'
      for split, names in self._used.items()
      for name in names
      if name not in sizes
    }

  def _with_scores(self, split: str, names: list[str]) -> list[str]:
    """Keeps the images that the attribute file knows, if there is one."""
    path = self._attribute_file
    if path is None:
      return names
    missing = [name for name in names if name not in self._scores]
    some = label_tables.some(missing, len(names))
    what = f'{path} has no scores of {some} of {split!r}'
    if len(missing) == len(names):
      raise ValueError(
        f'{what}; fetch it again, or remove it to go without attributes'
      )
    if len(missing) > _UNSCORED * len(names) and not self.skip_broken:
      raise ValueError(
        f'{what}, more than of the whole set; fetch it again, or go on without '
        'them by --config.data.skip_broken=True'
      )
    if missing:
      _LOGGER.warning('%s. They are left out.', what)
    return [name for name in names if name in self._scores]

  @functools.cached_property
  def _scores(self) -> dict[str, Sequence[str]]:
    """Maps an image's name to its row: the name, then the scores."""
    path = self._attribute_file
    if path is None:
      return {}
    rows = [r for r in label_tables.rows(path, tabs=True) if r[0][:1] != '#']
    broken = next((r for r in rows if len(r) < 3 or not r[1].isdecimal()), None)
    if broken is not None:
      raise ValueError(
        f'{path} has the row {broken[:3]}: expected a person, the number of '
        'an image and scores, with tabs between; fetch it again'
      )
    named = ([_file(r[0], int(r[1])), *r[2:]] for r in rows)
    return label_tables.by_name(named, path=path)

  @functools.cached_property
  def _archive(self) -> archives.Archive:
    if (self.path / _ARCHIVE).is_file():
      return archives.Tgz(self.path / _ARCHIVE)
    for folder in _FOLDERS:
      if (self.path / folder).is_dir():
        return archives.Folder(self.path / folder, pattern='*/*.jpg')
    raise FileNotFoundError(
      f'no LFW images in {self.path}: put {_ARCHIVE} there, or the folder that '
      f'it unpacks to, {_FOLDERS[0]}/; it comes from {_SITE}'
    )

  def _people(self, split: str) -> pathlib.Path:
    path = self.path / _PEOPLE[split]
    if not path.is_file():
      raise FileNotFoundError(
        f'no {path.name} in {self.path}: it says whose images are for '
        f'{split}; it comes from {_SITE}'
      )
    return path

  @property
  def _attribute_file(self) -> pathlib.Path | None:
    path = self.path / _ATTRIBUTES
    return path if path.is_file() else None


def _listed(path: pathlib.Path) -> list[str]:
  """Names the images of a list of people: their count, then each with hers."""
  rows = list(label_tables.rows(path))
  cells = [cell for row in rows for cell in row[-1:]]
  if not rows or not all(cell.isdecimal() for cell in cells):
    raise ValueError(
      f'{path} is no list of people: expected their number, then lines of a '
      'name and a number of images; fetch it again'
    )
  # Compared before a list of so many is made: the file may say anything.
  whole = len(rows) - 1 == int(cells[0])
  if not whole or [len(row) for row in rows] != [1] + [2] * len(rows[1:]):
    raise ValueError(
      f'{path} announces {cells[0]} people and lists {len(rows) - 1}: a '
      'download cut short; fetch it again'
    )
  most = max((int(row[1]) for row in rows[1:]), default=0)
  if most > _MOST_IMAGES:
    raise ValueError(
      f'{path} lists a person with {most} images: expected at most '
      f'{_MOST_IMAGES}; fetch it again'
    )
  return [_file(n, k + 1) for n, last in rows[1:] for k in range(int(last))]


def _file(person: str, number: int) -> str:
  """Names the file: 'Abba Eban', 1 -> 'Abba_Eban_0001.jpg'."""
  return f'{person.replace(" ", "_")}_{number:04d}.jpg'
