"""LFW: 13,233 photographs of 5,749 people with scores of 73 attributes.

Source: Huang et al., Labeled faces in the wild, 2007, aligned by deep
funneling; scores: Kumar et al., Attribute and simile classifiers for face
verification, ICCV 2009.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
import pathlib
from typing import Any

import numpy as np

from vaegan_jax.data.images import (
  archives,
  defects,
  label_tables,
  labels,
)
from vaegan_jax.data.sources import files

_LOGGER = logging.getLogger(__name__)

_ARCHIVE = 'lfw-deepfunneled.tgz'
_FOLDERS = ('lfw-deepfunneled', 'lfw')
_NESTED = 'lfw-deepfunneled/lfw-deepfunneled'  # in Kaggle's copy
_PEOPLE = {'train': 'peopleDevTrain.txt', 'test': 'peopleDevTest.txt'}
_SITE = "Kaggle's copy of LFW, or vis-www.cs.umass.edu/lfw"

# The tolerated fraction of images without scores; 0.7 % of the whole set.
_UNSCORED = 0.01

# File names count the images of a person with four digits.
_MAX_IMAGES = 9999

# The columns before the scores in the attribute file.
_KEY = ['person', 'imagenum']
_HEADER = ['name', 'images']


@dataclasses.dataclass(frozen=True)
class LFW(files.AlignedSource):
  """LFW's faces: deep-funneled, cropped about their centre, with 73 scores.

  No person is in both 'train' and 'test'; there is no split 'validation'. If
  the attribute file is present, images without scores are left out, since they
  can be neither conditions nor references: 90 of the whole set. A warning
  counts them.

  Attributes:
    path: a folder with `lfw-deepfunneled.tgz` or its content,
      `lfw-deepfunneled/` or `lfw/`; `peopleDevTrain` and `peopleDevTest`; and
      (optional) `lfw_attributes`; each .txt, or .csv as in Kaggle's copy.
    size: height and width of the images.
    skip_broken: leave out any number of broken images, and of images without
      scores.
  """

  path: pathlib.Path
  size: tuple[int, int] = (64, 64)
  skip_broken: bool = False

  name = 'lfw'
  channels = 3
  _tables = ('lfw_attributes.txt', 'lfw_attributes.csv')
  _shape = (250, 250, 3)
  _face = np.s_[50:200, 50:200]  # Source: dataset/lfw.py, commit 1906387.
  _remedy = f'take the deep-funneled images, {_ARCHIVE}'

  def _settings(self) -> dict[str, Any]:
    return {'people': {s: files.table_digest(self._people(s)) for s in _PEOPLE}}

  def _names(self, split: str) -> list[str]:
    if split not in _PEOPLE:
      raise ValueError(
        f'split {split!r} is empty: LFW is split by person into '
        f'{" and ".join(map(repr, _PEOPLE))}; take one of them'
      )
    return self._splits[split]

  @functools.cached_property
  def _splits(self) -> dict[str, list[str]]:
    if self._labels is None:
      return self._people_images
    return {s: self._scored(s, n) for s, n in self._people_images.items()}

  @property
  def _listed(self) -> list[str]:
    return [name for names in self._people_images.values() for name in names]

  @functools.cached_property
  def _people_images(self) -> dict[str, list[str]]:
    """Lists the images of the people of each split."""
    images = {split: _list_images(self._people(split)) for split in _PEOPLE}
    both = sorted(set(images['train']) & set(images['test']))
    if both:
      raise ValueError(
        f'{defects.summarize(both, len(images["test"]))} of {_PEOPLE["test"]} '
        f'are in {_PEOPLE["train"]} as well: a model would be tested on its '
        'training data; fetch both lists again'
      )
    self._warn_of_unlisted(
      {*images['train'], *images['test']}, where='the lists of people'
    )
    return images

  def _scored(self, split: str, names: list[str]) -> list[str]:
    """Keeps the images that have scores."""
    unlabelled = self._unlabelled()
    missing = [name for name in names if name in unlabelled]
    summary = defects.summarize(missing, len(names))
    problem = f'{self._table} has no scores of {summary} of {split!r}'
    if len(missing) == len(names):
      raise ValueError(
        f'{problem}; fetch it again, or remove it to train without attributes'
      )
    if len(missing) > _UNSCORED * len(names) and not self.skip_broken:
      raise ValueError(
        f'{problem}, more than in the whole set; fetch it again, or leave them '
        'out with --config.data.skip_broken=True'
      )
    if missing:
      _LOGGER.warning('%s. They are left out.', problem)
    return [name for name in names if name not in unlabelled]

  @functools.cached_property
  def _broken(self) -> dict[str, str]:
    sizes = self._archive.sizes()
    return {
      name: f'{_PEOPLE[split]} lists it, and {self.path} lacks it: fetch the '
      'images again'
      for split, names in self._splits.items()
      for name in names
      if name not in sizes
    }

  def _read_labels(self, path: label_tables.File) -> labels.Labels:
    table = label_tables.rows(path)
    headers = [
      names for row in table if (names := _column_names(row)) is not None
    ]
    if not headers:
      raise ValueError(
        f"{path} has no header: expected a line '#', 'person', 'imagenum' and "
        'the names of the attributes, separated by tabs; fetch it again'
      )
    label_tables.check_names(headers[0], path=path)
    rows = []
    for row in table:
      if row[0].startswith('#') or _column_names(row) is not None:
        continue
      if len(row) < 3 or not row[1].isdecimal():
        raise ValueError(
          f'{path} has the row {row[:3]}: expected a person, the number of an '
          'image and scores, separated by tabs; fetch it again'
        )
      rows.append([_file_name(row[0], int(row[1])), *row[2:]])
    matched = labels.match(rows, self._listed, path=path)
    return labels.Labels(headers[0], matched, path)

  @functools.cached_property
  def _archive(self) -> archives.Archive:
    names = (_ARCHIVE, _NESTED, *_FOLDERS)
    candidates = [self.path / name for name in names]
    found = archives.open_first(*candidates, pattern='*/*.jpg')
    if found is None:
      raise FileNotFoundError(
        f'no LFW images in {self.path}: put {_ARCHIVE} or the folder in it, '
        f'{_FOLDERS[0]}/, there; it comes from {_SITE}'
      )
    return found

  def _people(self, split: str) -> label_tables.File:
    name = _PEOPLE[split]
    found = self._find(name, name.replace('.txt', '.csv'))
    if found is None:
      raise FileNotFoundError(
        f'no {name} or .csv in {self.path}: it lists the people of {split!r}; '
        f'it comes from {_SITE}'
      )
    return found


def _column_names(row: label_tables.Row) -> tuple[str, ...] | None:
  """Returns the names of the scores in a header; None for other rows."""
  cells = [cell for cell in row if cell != '#']
  is_header = [cell.lower() for cell in cells[:2]] == _KEY
  return tuple(cells[2:]) if is_header else None


def _list_images(path: label_tables.File) -> list[str]:
  """Lists the images of people: their number, then each name with a count.

  In Kaggle's copy a header replaces their number.
  """
  rows = label_tables.rows(path)
  if rows and [cell.lower() for cell in rows[0]] == _HEADER:
    rows[0] = [str(len(rows) - 1)]
  shape = [1, *[2] * (len(rows) - 1)]
  numbers = [row[-1] for row in rows]
  if [*map(len, rows)] != shape or not all(n.isdecimal() for n in numbers):
    raise ValueError(
      f'{path} is not a list of people: expected their number, or '
      f'"{",".join(_HEADER)}", then lines of a name and a number of images; '
      'fetch it again'
    )
  # Checked before a list of that length is built.
  if len(rows) - 1 != int(numbers[0]):
    raise ValueError(
      f'{path} announces {numbers[0]} people and lists {len(rows) - 1}: the '
      'download is incomplete; fetch it again'
    )
  counts = [(name, int(count)) for name, count in rows[1:]]
  most = max((count for _, count in counts), default=0)
  if most > _MAX_IMAGES:
    raise ValueError(
      f'{path} lists a person with {most} images: expected at most '
      f'{_MAX_IMAGES}; fetch it again'
    )
  return [_file_name(n, k) for n, last in counts for k in range(1, last + 1)]


def _file_name(person: str, number: int) -> str:
  """Returns the name of a file: 'Abba Eban', 1 -> 'Abba_Eban_0001.jpg'."""
  return f'{person.replace(" ", "_")}_{number:04d}.jpg'
