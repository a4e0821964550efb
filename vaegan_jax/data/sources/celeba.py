"""CelebA: 202,599 aligned faces with 40 attributes.

The files may be the authors' (.txt) or those of Kaggle's copy (.csv).

Source: Liu et al., Deep learning face attributes in the wild, ICCV 2015.
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from vaegan_jax.data import sources
from vaegan_jax.data.images import archives, label_tables
from vaegan_jax.data.sources import files, splits

_FOLDER = 'img_align_celeba'

# The authors' folders of the images and of the lists.
_IMAGES, _LISTS = 'Img', ('Anno', 'Eval')

# Their names on the authors' site, on Kaggle's, and from Kaggle's program.
_ZIPS = (f'{_FOLDER}.zip', 'archive.zip', 'celeba-dataset.zip')

_PARTITIONS = {0: 'train', 1: 'validation', 2: 'test'}


@dataclasses.dataclass(frozen=True)
class CelebA(files.AlignedSource):
  """CelebA's faces, cropped and resized as in the authors' code.

  Attributes:
    path: a folder with `img_align_celeba.zip` or `img_align_celeba/`,
      `list_eval_partition` and (optional) `list_attr_celeba`, .txt or .csv,
      also in `Img/`, `Anno/` and `Eval/`; or the zip itself, with the lists
      beside or in it, as in Kaggle's `archive.zip`.
    size: height and width of the images.
    train_on_validation: whether 'train' includes the validation partition, as
      in the authors' runs that are tested on the test partition. There is then
      no split 'validation'.
    skip_broken: leave out any number of broken images.
  """

  path: pathlib.Path
  size: tuple[int, int] = (64, 64)
  train_on_validation: bool = True
  skip_broken: bool = False

  name = 'celeba'
  channels = 3
  _tables = ('list_attr_celeba.txt', 'list_attr_celeba.csv')
  _shape = (218, 178, 3)
  _face = np.s_[40:188, 15:163]  # Source: dataset/celeba.py, commit 1906387.
  _remedy = 'take the aligned and cropped images, img_align_celeba'

  def _settings(self) -> dict[str, Any]:
    return {
      'train_on_validation': self.train_on_validation,
      'partition': files.table_digest(self._partition),
    }

  def _names(self, split: str) -> list[str]:
    splits.check_validation(split, train_on_validation=self.train_on_validation)
    return self._splits[split]

  @functools.cached_property
  def _splits(self) -> dict[str, list[str]]:
    split_of = dict(_PARTITIONS)
    if self.train_on_validation:
      split_of[1] = 'train'
    numbers = self._partition_numbers.items()
    return {
      split: [name for name, number in numbers if split_of[number] == split]
      for split in sources.SPLITS
    }

  @functools.cached_property
  def _partition_numbers(self) -> dict[str, int]:
    """Maps the listed images to the numbers of their partitions."""
    path = self._partition
    # A header names no file.
    rows = (row for row in label_tables.rows(path) if '.' in row[0])
    table = label_tables.by_name(rows, path=path)
    numbers = label_tables.numbers(
      [*table.values()], names=['partition'], path=path
    )
    if not len(numbers) or not set(numbers[:, 0]) <= set(_PARTITIONS):
      raise ValueError(
        f'{path} must give each image 0 (train), 1 (validation) or 2 (test)'
      )
    self._warn_of_unlisted(table, where=path.name)
    return dict(zip(table, map(int, numbers[:, 0]), strict=True))

  @property
  def _listed(self) -> list[str]:
    return [*self._partition_numbers]

  @functools.cached_property
  def _broken(self) -> dict[str, str]:
    reason = (
      f'{self._partition.name} lists it, and {self.path} lacks it: fetch the '
      'images again, or remove its row'
    )
    present = self._archive.sizes()
    missing = [n for n in self._listed if n not in present]
    return self._unlabelled() | dict.fromkeys(missing, reason)

  @functools.cached_property
  def _archive(self) -> archives.Archive:
    names = (f'{_FOLDER}/{_FOLDER}', _FOLDER, *_ZIPS)  # Kaggle nests it twice
    found = archives.open_first(
      *((self.path,) if self.path.is_file() else ()),
      *(self.path / name for name in names),
      *(self.path / _IMAGES / name for name in names),
    )
    if found is None:
      raise FileNotFoundError(
        f'no CelebA images in {self.path}: put img_align_celeba.zip there, or '
        'the folder img_align_celeba/, or name the zip itself; they come from '
        'mmlab.ie.cuhk.edu.hk/projects/CelebA.html or Kaggle'
      )
    return found

  @functools.cached_property
  def _beside(self) -> Sequence[label_tables.File]:
    """The files beside the images, or else the lists in their zip."""
    beside, path = [*super()._beside], self._archive.path
    for folder in _LISTS:
      beside += sorted((self.path / folder).glob('list_*'))
    names = {p.name.lower() for p in beside}
    if not path.is_file():
      return beside
    lists = [
      name
      for name in self._archive.sizes()
      if name.startswith('list_') and name.lower() not in names
    ]
    for name in lists:
      self._archive.read(name)  # finds damage
    root = zipfile.Path(path).root
    inside = [zipfile.Path(root, self._archive.path_of(n)) for n in lists]
    return [*beside, *inside]

  @functools.cached_property
  def _partition(self) -> label_tables.File:
    found = self._find('list_eval_partition.txt', 'list_eval_partition.csv')
    if found is None:
      raise FileNotFoundError(
        f'no list_eval_partition.txt or .csv for {self.path}: it says which '
        'images are for training and which for testing; put it beside the '
        'images'
      )
    return found
