"""CelebA: 202,599 aligned faces with 40 attributes, as its authors hand it out.

Liu et al., Deep learning face attributes in the wild, ICCV 2015. The files
may be those of the authors (.txt) or of Kaggle's copy (.csv).
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Int8, UInt8

from vaegan_jax.data import cache
from vaegan_jax.data.images import (
  archives,
  face_crop,
  label_tables,
  resizing,
  skipping,
)
from vaegan_jax.files import checksums

# Source: dataset/celeba.py, commit 1906387.
_FRAME = face_crop.Frame(
  full=(218, 178, 3),
  rows=slice(40, 188),
  columns=slice(15, 163),
  remedy='take the aligned and cropped images, img_align_celeba',
)

_SUFFIXES = ('.txt', '.csv')
_PARTITIONS = {'train': 0, 'validation': 1, 'test': 2}


@dataclasses.dataclass(frozen=True)
class CelebA:
  """CelebA's faces, cropped and reduced as the paper's authors did.

  Attributes:
    path: a folder with `img_align_celeba.zip`, or the folder
      `img_align_celeba`, and the lists `list_eval_partition` and (optional)
      `list_attr_celeba`, .txt or .csv; or the zip itself, the lists beside it.
    size: height and width of the images.
    train_on_validation: 'train' holds the validation partition as well, as in
      the authors' runs that are tested on the test partition; there is then
      no split 'validation'.
    skip_broken: go on without images that cannot be used, however many.
  """

  path: pathlib.Path
  size: tuple[int, int] = (64, 64)
  train_on_validation: bool = True
  skip_broken: bool = False

  name = 'celeba'
  channels = 3

  @functools.cached_property
  def attribute_names(self) -> tuple[str, ...]:
    """The 40 names; none if there is no list of attributes."""
    if self._attribute_list is None:
      return ()
    return _attribute_header(self._attribute_list)

  def fingerprint(self) -> dict[str, Any]:
    """Covers the settings, the lists, and the images' names and sizes."""
    attributes = self._attribute_list
    return {
      'train_on_validation': self.train_on_validation,
      'resizing': resizing.VERSION,
      'images': cache.files_digest(self._sizes),
      'partition': checksums.file_digest(self._partition_list),
      'attributes': attributes and checksums.file_digest(attributes),
    }

  def length(self, split: str) -> int:
    """Counts the images of a split, missing ones among them.

    Raises:
      ValueError: too many are missing, or have no attributes.
    """
    return skipping.count(
      self._names(split),
      unusable=self._unusable,
      label=f'{self.name} {split}',
      allowed=self.skip_broken,
    )

  def attributes(
    self, split: str
  ) -> Int8[np.ndarray, 'images attributes'] | None:
    """Gives 1 where an attribute is present and 0 where it is not, or None."""
    if self._attribute_list is None:
      return None
    values = label_tables.lookup(
      self._attribute_rows,
      self._names(split),
      columns=len(self.attribute_names),
      path=self._attribute_list,
    )
    return (values > 0).astype(np.int8)

  def read(
    self, split: str, start: int, stop: int
  ) -> UInt8[np.ndarray, 'images height width channels']:
    """Decodes, crops and reduces the images start..stop-1."""
    names = self._names(split)[start:stop]
    skipping.refuse(names, unusable=self._unusable)
    return face_crop.read(self._archive, names, frame=_FRAME, size=self.size)

  def _names(self, split: str) -> list[str]:
    wanted = {_PARTITIONS[split]}
    if self.train_on_validation and split == 'validation':
      raise ValueError(
        "split 'validation' is empty: with train_on_validation its images are "
        "in 'train'; take 'test', or set train_on_validation to False"
      )
    if self.train_on_validation and split == 'train':
      wanted.add(_PARTITIONS['validation'])
    return [name for name, part in self._partition.items() if part in wanted]

  @functools.cached_property
  def _partition(self) -> dict[str, int]:
    """Maps the listed images to 0 (train), 1 (validation) or 2 (test)."""
    path = self._partition_list
    rows = [
      row for row in label_tables.rows(path) if '.' in row[0]
    ]  # no header
    table = label_tables.by_name(rows, path=path)
    parts = label_tables.numbers([*table.values()], columns=1, path=path)[:, 0]
    if not len(parts) or not set(parts) <= set(_PARTITIONS.values()):
      raise ValueError(
        f'{path} must give each image 0 (train), 1 (validation) or 2 (test)'
      )
    return dict(zip(table, map(int, parts), strict=True))

  @functools.cached_property
  def _attribute_rows(self) -> dict[str, Sequence[str]]:
    path = self._attribute_list
    if path is None:
      return {}
    rows = (row for row in label_tables.rows(path) if '.' in row[0])
    return label_tables.by_name(rows, path=path)

  @functools.cached_property
  def _unusable(self) -> dict[str, str]:
    """Maps listed images to what is known to be wrong without reading them."""
    why: dict[str, str] = {}
    if self._attribute_list is not None:
      remedy = 'fetch it again, or remove it to go without attributes'
      what = f'{self._attribute_list} has no row of it: {remedy}'
      why |= {n: what for n in self._partition if n not in self._attribute_rows}
    what = (
      f'{self._partition_list.name} lists it, and {self.path} lacks it: fetch '
      'the images again, or remove its row'
    )
    return why | {n: what for n in self._partition if n not in self._sizes}

  @functools.cached_property
  def _sizes(self) -> dict[str, int]:
    """Maps those of the listed images that there are to their bytes."""
    sizes = self._archive.sizes()
    return {name: sizes[name] for name in self._partition if name in sizes}

  @functools.cached_property
  def _archive(self) -> archives.Archive:
    if self.path.is_file():
      return archives.Zip(self.path)
    folder = self.path / 'img_align_celeba'
    for candidate in (folder / folder.name, folder):  # Kaggle nests it twice
      if candidate.is_dir():
        return archives.Folder(candidate)
    if folder.with_suffix('.zip').is_file():
      return archives.Zip(folder.with_suffix('.zip'))
    raise FileNotFoundError(
      f'no CelebA images in {self.path}: put img_align_celeba.zip there, or '
      'the folder img_align_celeba/, or name the zip itself; they come from '
      'mmlab.ie.cuhk.edu.hk/projects/CelebA.html or Kaggle'
    )

  @functools.cached_property
  def _partition_list(self) -> pathlib.Path:
    found = self._list('list_eval_partition')
    if found is None:
      raise FileNotFoundError(
        f'no list_eval_partition.txt or .csv in {self._lists}: it says which '
        'images are for training and which for testing; put it beside the '
        'images'
      )
    return found

  @functools.cached_property
  def _attribute_list(self) -> pathlib.Path | None:
    return self._list('list_attr_celeba')

  @property
  def _lists(self) -> pathlib.Path:
    return self.path.parent if self.path.is_file() else self.path

  def _list(self, stem: str) -> pathlib.Path | None:
    candidates = [self._lists / f'{stem}{suffix}' for suffix in _SUFFIXES]
    return next((path for path in candidates if path.is_file()), None)


def _attribute_header(path: pathlib.Path) -> tuple[str, ...]:
  """Finds the names: after a count in the .txt, first in Kaggle's .csv."""
  rows = list(itertools.islice(label_tables.rows(path), 2))
  if len(rows) < 2:
    raise ValueError(f'{path} names no attributes; fetch it again')
  first, second = rows
  return tuple(second if len(first) == 1 else first[1:])
