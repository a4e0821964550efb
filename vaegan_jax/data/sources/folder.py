"""A folder of images of any kind and size."""

from __future__ import annotations

import dataclasses
import functools
import logging
import pathlib
from typing import Any

import numpy as np
from jaxtyping import UInt8

from vaegan_jax.data.images import (
  archives,
  decoding,
  defects,
  label_tables,
  labels,
  resizing,
  trees,
)
from vaegan_jax.data.sources import files, splits

_LOGGER = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Folder(files.FileSource):
  """Images in a folder and its sub-folders, cropped about their centre.

  If there is a folder for training and one for testing or validation, under
  any of the names that `splits.of` knows, these are the splits, and images
  elsewhere are left out. Otherwise a hash of each image's path puts it in train
  (90 %), validation or test (5 % each), so adding images moves none. If only
  the folder for testing is missing, the hash takes it from train.

  Attributes:
    path: the folder. Every file is read whose name ends as those of images do
      (`decoding.SUFFIXES`), except those that `trees.scan` leaves out. An
      optional `attributes.csv`, .tsv or .txt names its columns in the first
      line; every other line has the path of an image relative to the folder,
      then numbers, or words such as true and false.
    size: height and width of the images.
    channels: 1 (grey) or 3 (RGB).
    train_on_validation: whether 'train' includes the validation images. There
      is then no split 'validation'.
    skip_broken: leave out any number of broken images.
    folder_labels: label each image by the folder that holds it, instead of by
      `attributes.csv`.
  """

  path: pathlib.Path
  size: tuple[int, int]
  channels: int = 3
  train_on_validation: bool = False
  skip_broken: bool = False
  folder_labels: bool = False

  name = 'folder'
  _tables = ('attributes.csv', 'attributes.tsv', 'attributes.txt')

  def length(self, split: str) -> int:
    """Counts the images of a split, including broken ones.

    Raises:
      ValueError: there are none, or too many have no attributes.
    """
    if not self._names(split):
      raise ValueError(
        f'{self.path} has {len(self._listed)} images and none for {split!r}. '
        'Without a folder for it about 1 image in 20 is: take at least 100, or '
        f'put some into {self.path / split}/ and the others into '
        f'{self.path / "train"}/'
      )
    return super().length(split)

  def _settings(self) -> dict[str, Any]:
    settings = {'train_on_validation': self.train_on_validation}
    # Only if set, so that caches of before stay valid.
    return settings | ({'folder_labels': True} if self.folder_labels else {})

  def _read(self, name: str) -> UInt8[np.ndarray, 'height width channels']:
    data = self._archive.read(name)
    pixels = decoding.decode(data, channels=self.channels, name=name)
    return resizing.fit(pixels, self.size)

  def _names(self, split: str) -> list[str]:
    splits.check_validation(split, train_on_validation=self.train_on_validation)
    return self._splits[split]

  @functools.cached_property
  def _splits(self) -> dict[str, list[str]]:
    return splits.assign(
      self._listed, root=self.path, train_on_validation=self.train_on_validation
    )

  @functools.cached_property
  def _listed(self) -> list[str]:
    """Lists all images as sorted relative paths."""
    if not self.path.is_dir():
      raise FileNotFoundError(
        f'{self.path} is not a folder; name one that holds images, or unpack '
        'an archive first'
      )
    tree = trees.scan(self.path, known=self._tables)
    left_out = f' Left out: {tree.describe()}.' if tree.left_out else ''
    if not tree.files:
      raise FileNotFoundError(
        f'{self.path} and its sub-folders hold no image: put files there whose '
        f'names end in .jpg, .png, .tif or another known ending.{left_out}'
      )
    if left_out:
      _LOGGER.warning(
        '%s has %d images.%s', self.path, len(tree.files), left_out
      )
    return tree.files

  @functools.cached_property
  def _labels(self) -> labels.Labels | labels.FolderLabels | None:
    if not self.folder_labels:
      return super()._labels
    used = [name for names in self._splits.values() for name in names]
    folders = splits.inner_folders(self._listed)
    found = labels.of_folders(
      {name: defects.printable(folders[name]).strip() for name in used},
      root=self.path,
    )
    trained = {found.rows[name] for name in self._splits['train']}
    if unseen := [name for name in found.names if name not in trained]:
      _LOGGER.warning(
        '%s: no training image has the label %s.',
        self.path,
        defects.few(unseen),
      )
    return found

  @functools.cached_property
  def _table(self) -> label_tables.File | None:
    table = self._find(*self._tables)
    if table and self.folder_labels:
      _LOGGER.warning(
        '%s is not read: config.data.labels = folders takes the folders of the '
        'images as labels.',
        table,
      )
    if self.folder_labels:
      return None
    endings = self._tables if table else ('.csv', '.tsv')
    others = [
      path.name
      for path in self._beside
      if path != table and path.name.lower().endswith(endings)
    ]
    if others:
      _LOGGER.warning(
        '%s: attributes are read from %s, not from %s.',
        self.path,
        table.name if table else ' or '.join(self._tables),
        defects.few(others),
      )
    return table

  @functools.cached_property
  def _archive(self) -> archives.Archive:
    return archives.open_files(self.path, self._listed)
