"""What the sources that read image files share."""

from __future__ import annotations

import abc
import functools
import hashlib
import logging
import pathlib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Shaped, UInt8

from vaegan_jax.data.images import (
  archives,
  decoding,
  defects,
  label_tables,
  labels,
  resizing,
  trees,
)
from vaegan_jax.files import checksums, contents

_LOGGER = logging.getLogger(__name__)


class FileSource(abc.ABC):
  """A source of image files and, optionally, a table of their attributes.

  A subclass lists the files of each split and of all, reads one, and extends
  `_broken`. `_tables` are the names that the table of attributes may have, in
  any case.
  """

  name: str
  path: pathlib.Path
  size: tuple[int, int]
  skip_broken: bool
  _tables: tuple[str, ...]

  @property
  @abc.abstractmethod
  def _listed(self) -> Sequence[str]:
    """The files of all splits, including broken ones."""

  @property
  @abc.abstractmethod
  def _archive(self) -> archives.Archive:
    """The image files."""

  @abc.abstractmethod
  def _settings(self) -> dict[str, Any]:
    """Returns what determines the images beside their files, in JSON types."""

  @abc.abstractmethod
  def _names(self, split: str) -> Sequence[str]:
    """Lists the files of a split, including broken ones."""

  @abc.abstractmethod
  def _read(self, name: str) -> UInt8[np.ndarray, 'height width channels']:
    """Reads one image, or raises BrokenImage."""

  @property
  def attribute_names(self) -> tuple[str, ...]:
    """The columns of the attribute table; empty without one.

    Raises:
      ValueError: the table has no header, or no row of any file.
    """
    return self._labels.names if self._labels else ()

  def fingerprint(self) -> dict[str, Any]:
    """Covers the settings, the tables, and the content of the images."""
    return self._identify(self._archive.contents(self._listed))

  def stamp(self) -> str:
    """Covers the same, and the times of images on disk for their content."""
    return checksums.digest(self._identify(self._archive.stamps(self._listed)))

  def _identify(self, images: Mapping[str, contents.Stamp]) -> dict[str, Any]:
    return {
      'resizing': resizing.VERSION,
      **self._settings(),
      'images': checksums.digest(images),
      'attributes': self._table and [labels.VERSION, table_digest(self._table)],
    }

  def length(self, split: str) -> int:
    """Counts the images of a split, including broken ones.

    Raises:
      ValueError: too many are missing, or have no attributes.
    """
    names, reasons = self._names(split), self._broken
    defects.check(
      [defects.BrokenImage(n, reasons[n]) for n in names if n in reasons],
      len(names),
      label=f'{self.name} {split}',
      skip=self.skip_broken,
    )
    return len(names)

  def attributes(
    self, split: str
  ) -> Shaped[np.ndarray, 'images attributes'] | None:
    """Returns the attributes, or None without an attribute table.

    Returns:
      int8 of 0 and 1 if each attribute is one of two values, else float32.
    """
    return self._labels.of(self._names(split)) if self._labels else None

  def read(
    self, split: str, start: int, stop: int
  ) -> UInt8[np.ndarray, 'images height width channels']:
    """Decodes, crops and resizes images start..stop-1."""
    names = self._names(split)[start:stop]
    for name in names:
      if name in self._broken:
        raise defects.BrokenImage(name, self._broken[name])
    return np.stack([self._read(name) for name in names])

  @functools.cached_property
  def _labels(self) -> labels.Labels | labels.FolderLabels | None:
    return None if self._table is None else self._read_labels(self._table)

  def _read_labels(self, path: label_tables.File) -> labels.Labels:
    names, rows = label_tables.read(path)
    return labels.Labels(
      names, labels.match(rows, self._listed, path=path), path
    )

  @functools.cached_property
  def _broken(self) -> Mapping[str, str]:
    """Maps the files known to be broken to the reason."""
    return self._unlabelled()

  def _unlabelled(self) -> dict[str, str]:
    """Maps the files without a row in the attribute table to the reason."""
    if self._table is None:
      return {}
    reason = (
      f'{self._table} has no row of it: add one, or remove the table to train '
      'without attributes'
    )
    rows = self._labels.rows if self._labels else {}
    return {name: reason for name in self._listed if name not in rows}

  @functools.cached_property
  def _table(self) -> label_tables.File | None:
    return self._find(*self._tables)

  def _find(self, *names: str) -> label_tables.File | None:
    """Finds the first of some tables beside the images, in any case.

    Raises:
      ValueError: two files differ in the case of their names only.
    """
    for name in names:
      found = [p for p in self._beside if p.name.lower() == name.lower()]
      if len(found) > 1:
        raise ValueError(
          f'{" and ".join(map(str, found))} are tables of the same name, if '
          'case does not matter; remove one'
        )
      if found:
        return found[0]
    return None

  @functools.cached_property
  def _beside(self) -> Sequence[label_tables.File]:
    """The files in the folder of the images, or beside their zip."""
    folder = self.path.parent if self.path.is_file() else self.path
    return [p for p in sorted(folder.iterdir()) if p.is_file()]


class AlignedSource(FileSource):
  """A source of aligned images, which all have their face in one place.

  `_shape` is the shape of every image, `_face` the part to keep, and `_remedy`
  where to find the right images.
  """

  _shape: tuple[int, int, int]
  _face: tuple[slice, slice]
  _remedy: str

  def _read(self, name: str) -> UInt8[np.ndarray, 'height width 3']:
    pixels = decoding.decode(self._archive.read(name), name=name)
    if pixels.shape != self._shape:
      reason = f'its shape is {pixels.shape}, expected {self._shape}'
      raise defects.BrokenImage(name, f'{reason}: {self._remedy}')
    return resizing.fit(pixels[self._face], self.size)

  def _warn_of_unlisted(self, listed: Collection[str], *, where: str) -> None:
    """Logs how many images are not used because a list lacks them."""
    images = [name for name in self._archive.sizes() if trees.is_image(name)]
    unlisted = [name for name in images if name not in listed]
    if unlisted:
      _LOGGER.warning(
        '%s of %s are not in %s. They are left out.',
        defects.summarize(unlisted, len(images)),
        self.path,
        where,
      )


def table_digest(table: label_tables.File) -> str:
  """Returns the sha256 of a table in hexadecimal."""
  return hashlib.sha256(table.read_bytes()).hexdigest()
