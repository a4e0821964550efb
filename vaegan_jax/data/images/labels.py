"""Labels of images: which row of a table is whose, and what values mean."""

from __future__ import annotations

import collections
import dataclasses
import functools
import logging
import os
import pathlib
import unicodedata
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float32, Int8, Shaped

from vaegan_jax.data.images import defects, label_tables

_LOGGER = logging.getLogger(__name__)

# Integers of fewer values than this may be classes; scores beyond the other
# are large beside the features that they join.
_CLASSES, _LARGE = 100, 20.0

# Version of the values that a table becomes. Raise it when they change.
VERSION = 1


@dataclasses.dataclass(frozen=True)
class Labels:
  """The attributes of all images of a source.

  A column of two values is binary, whichever they are: the smaller becomes 0
  and the larger 1. A column of one value becomes 1 if other columns have it as
  their larger value, or else if it is positive and not their smaller one. Other
  columns are scores. The images of all splits decide together.

  Attributes:
    names: the names of the columns.
    rows: maps images to their rows.
    path: the table's file.
  """

  names: tuple[str, ...]
  rows: Mapping[str, label_tables.Row]
  path: label_tables.File

  def of(
    self, images: Sequence[str]
  ) -> Shaped[np.ndarray, 'images attributes']:
    """Returns the attributes of images; zeros for images without a row.

    Returns:
      int8 if no column holds scores, else float32.

    Raises:
      ValueError: as `label_tables.numbers`.
    """
    found = [i for i, image in enumerate(images) if image in self.rows]
    values = np.zeros((len(images), len(self.names)), self._values.dtype)
    values[found] = self._values[[self._places[images[i]] for i in found]]
    return values

  @functools.cached_property
  def _places(self) -> dict[str, int]:
    return {image: place for place, image in enumerate(self.rows)}

  @functools.cached_property
  def _values(self) -> Shaped[np.ndarray, 'images attributes']:
    table = [*self.rows.values()]
    values = label_tables.numbers(table, names=self.names, path=self.path)
    return _code(values, names=self.names, path=self.path)


@dataclasses.dataclass(frozen=True)
class FolderLabels:
  """The folder of each image as its label: a binary column for each folder.

  Attributes:
    names: the names of the columns.
    rows: maps images to the names of their folders.
  """

  names: tuple[str, ...]
  rows: Mapping[str, str]

  def of(self, images: Sequence[str]) -> Int8[np.ndarray, 'images attributes']:
    """Returns 1 in the column of each image's folder, and 0 elsewhere."""
    columns = {name: column for column, name in enumerate(self.names)}
    chosen = [columns[self.rows[image]] for image in images]
    return (np.array(chosen)[:, None] == range(len(columns))).astype(np.int8)


def of_folders(
  folders: Mapping[str, str], *, root: pathlib.Path
) -> FolderLabels:
  """Labels images by the names of their folders.

  Args:
    folders: maps images to these names; '' is none.
    root: the folder of all, for messages.

  Raises:
    ValueError: images have no folder, or all have the same one.
  """
  remedy = (
    'put each image into the folder of its label, as in '
    f"{root / 'train' / 'cat' / '1.png'}, or set config.data.labels to 'table'"
  )
  if without := [image for image, name in folders.items() if not name]:
    raise ValueError(
      f'{defects.summarize(without, len(folders))} of {root} lie in no folder '
      f'that could be their label; {remedy}'
    )
  names = tuple(sorted({*folders.values()}))
  if len(names) < 2:
    raise ValueError(
      f'all images of {root} lie in folders of one name, {defects.few(names)}, '
      f'and labels need two; {remedy}'
    )
  return FolderLabels(names, folders)


def match(
  table: Sequence[label_tables.Row],
  images: Sequence[str],
  *,
  path: label_tables.File,
) -> dict[str, label_tables.Row]:
  """Maps images to rows, and logs how many of either are without the other.

  The names in a table all have one form: paths of images, paths from a folder
  above, or bare file names, with or without the ending; slashes or backslashes.
  A name that fits several images counts as none.

  Args:
    table: the rows.
    images: the paths of the images, with slashes.
    path: the table's file, for messages.

  Raises:
    ValueError: no row names an image, or two rows of an image differ.
  """
  names = [row[0] for row in table]
  found = _find(names, images)
  named = [
    row if image == row[0] else [image, *row[1:]]
    for image, row in zip(found, table, strict=True)
    if image is not None
  ]
  if not named:
    raise ValueError(
      f'no row of {path} names an image: its first column holds '
      f'{defects.few(names) or "nothing"}, and the images are '
      f'{defects.few(images)}; write these paths there, or remove the table to '
      'train without attributes'
    )
  without = [n for n, image in zip(names, found, strict=True) if image is None]
  if without:
    summary = defects.summarize(without, len(table), unit='rows')
    _LOGGER.info(
      '%s of %s name no image, or more than one, and are ignored.',
      summary,
      path,
    )
  found_rows = label_tables.by_name(named, path=path)
  unnamed = [image for image in images if image not in found_rows]
  if unnamed:
    summary = defects.summarize(unnamed, len(images))
    _LOGGER.info('%s has no row of %s.', path, summary)
  return found_rows


def _find(names: Sequence[str], images: Sequence[str]) -> list[str | None]:
  """Returns the image of each name, by the first form that fits any name."""
  plain, paths = [[*map(_plain, each)] for each in (names, images)]
  above = os.path.commonprefix(plain).rfind('/') + 1  # noqa: RUF071
  whole: list[Callable[[str], str]] = [str, _without_ending]
  bare = [_file_name, lambda path: _without_ending(_file_name(path))]
  # A path from a folder above is no bare name: test/1.png is not train/1.png.
  for start, forms in ((0, [*whole, *bare]), (above, whole)):
    for form in forms:
      keys = collections.defaultdict(list)
      for image, path in zip(images, paths, strict=True):
        keys[form(path)].append(image)
      found = [keys.get(name[start:], []) for name in plain]
      if any(found):
        return [same[0] if len(same) == 1 else None for same in found]
  return [None] * len(names)


def _plain(path: str) -> str:
  """Returns a path as Linux writes it; macOS decomposes accents."""
  path = unicodedata.normalize('NFC', path.replace('\\', '/'))
  return path.removeprefix('./')


def _file_name(path: str) -> str:
  return path.rpartition('/')[2]


def _without_ending(path: str) -> str:
  return os.path.splitext(path)[0]


def _code(
  values: Float32[np.ndarray, 'images attributes'],
  *,
  names: Sequence[str],
  path: label_tables.File,
) -> Shaped[np.ndarray, 'images attributes']:
  """Codes binary and constant columns by 0 and 1."""
  low, high = values.min(0), values.max(0)
  scores = ((values != low) & (values != high)).any(0)
  constant = low == high
  binary = ~scores & ~constant
  is_high = np.isin(high, high[binary])
  is_high |= (high > 0) & ~np.isin(high, low[binary])
  flags = (values == high) & (binary | is_high)
  if constant.any():
    same = [name for name, x in zip(names, constant, strict=True) if x]
    _LOGGER.warning('%s: all images agree on %s.', path, defects.few(same))
  for pair in sorted({*zip(low[binary], high[binary], strict=True)} - {(0, 1)}):
    _LOGGER.info('%s: %g and %g become 0 and 1.', path, *pair)
  for name, column, is_score in zip(names, values.T, scores, strict=True):
    if is_score:
      _warn_of_scores(column, name=name, path=path)
  if scores.any():
    return np.where(scores, values, flags.astype(np.float32))
  return flags.astype(np.int8)


def _warn_of_scores(
  values: Float32[np.ndarray, ' images'], *, name: str, path: label_tables.File
) -> None:
  """Logs scores that may be classes, or that are too large for a network."""
  distinct = np.unique(values)
  low, high = distinct[[0, -1]]
  if len(distinct) <= _CLASSES and (distinct == np.round(distinct)).all():
    _LOGGER.warning(
      '%s: %s has %d values from %g to %g, read as a score. If they are '
      'classes, write a column of 0 and 1 for each of them.',
      *(path, name, len(distinct), low, high),
    )
  if max(-low, high) > _LARGE:
    _LOGGER.warning(
      '%s: %s is a score from %g to %g. A conditional model takes it as it is: '
      'divide it, so that most are from -3 to 3.',
      *(path, name, low, high),
    )
