"""Any source -> one uint8 array on disk.

A source is decoded once; afterwards a run maps its array in a moment, and a
batch is a gather of rows.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import pathlib
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int, Shaped, UInt8

from vaegan_jax.data import storage
from vaegan_jax.data.images import skipping

SPLITS = ('train', 'validation', 'test')


@runtime_checkable
class Source(Protocol):
  """Where images come from: a frozen dataclass whose fields are its settings.

  Attributes:
    name: what the user wrote in `config.data.source`, 'celeba' for example.
    size: height and width of the images that `read` returns, in pixels.
    channels: 1 (grey) or 3 (RGB).
    attribute_names: of the columns of `attributes`; empty if there are none.
    skip_broken: whether a run goes on without images that cannot be used,
      however many; not part of the fingerprint, as it changes no byte.
  """

  @property
  def name(self) -> str: ...  # noqa: D102
  @property
  def size(self) -> tuple[int, int]: ...  # noqa: D102
  @property
  def channels(self) -> int: ...  # noqa: D102
  @property
  def attribute_names(self) -> tuple[str, ...]: ...  # noqa: D102
  @property
  def skip_broken(self) -> bool: ...  # noqa: D102

  def fingerprint(self) -> dict[str, Any]:
    """Says in JSON types everything that decides the bytes that `read` gives.

    Settings, and for files their names' and sizes' digest: enough that another
    data set or another setting has another fingerprint. It is asked at every
    start, so it should not open each file.
    """
    ...

  def length(self, split: str) -> int:
    """Counts the images of a split, those that cannot be used among them.

    Raises:
      ValueError: it is known already that too many cannot be used.
    """
    ...

  def attributes(
    self, split: str
  ) -> Shaped[np.ndarray, 'images attributes'] | None:
    """Gives a row of attributes an image, in the order of `read`, or None.

    The row of an image that cannot be used may be anything.
    """
    ...

  def read(
    self, split: str, start: int, stop: int
  ) -> UInt8[np.ndarray, 'images height width channels']:
    """Makes images start..stop-1; pure, and safe to call from threads.

    Raises:
      skipping.Broken: one of them cannot be used.
    """
    ...


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
  """One split of a source, ready to be indexed.

  Attributes:
    images: pixels, mapped read-only from disk.
    attributes: a row an image, or None.
    attribute_names: of the columns of `attributes`.
    source: the source's name.
    split: 'train', 'validation' or 'test'.
    digest: sha256 of the pixels, in hexadecimal: which data a run saw.
  """

  images: UInt8[np.ndarray, 'images height width channels']
  attributes: Shaped[np.ndarray, 'images attributes'] | None
  attribute_names: tuple[str, ...]
  source: str
  split: str
  digest: str

  def attributed(self, names: tuple[str, ...]) -> Dataset:
    """Keeps the attributes of these names, in their order; none: no attributes.

    Raises:
      ValueError: the data lack one of them.
    """
    known, columns = self.attribute_names, self.attributes
    missing = [name for name in names if name not in known]
    if missing or (names and columns is None):
      raise ValueError(
        f'{self.source} has no attributes {", ".join(missing or names)}: it '
        f'has {", ".join(known) or "none"}'
      )
    if columns is not None:
      columns = columns[:, [known.index(n) for n in names]] if names else None
    return dataclasses.replace(self, attributes=columns, attribute_names=names)

  def first(self, count: int) -> Dataset:
    """Takes the first images, in memory; all, if there are fewer."""
    return self.take(np.arange(min(count, len(self.images))))

  def take(self, places: Int[np.ndarray, ' images']) -> Dataset:
    """Takes the images at some places, in memory."""
    rows = self.attributes
    return dataclasses.replace(
      self,
      images=np.asarray(self.images[places]),
      attributes=None if rows is None else rows[places],
    )

  def spread(self, count: int) -> Int[np.ndarray, ' places']:
    """Gives as many places, evenly spread; all, if there are fewer.

    The first images are no fair sample where a source sorts them, by person or
    by class.
    """
    count = min(count, len(self.images))
    return np.arange(count) * len(self.images) // count


def load(
  source: Source,
  *,
  split: str,
  directory: pathlib.Path | None = None,
  progress: bool = True,
  verify: bool = True,
) -> Dataset:
  """Loads a split of a source, building its array first if there is none yet.

  Building runs on all cores. Several processes may build the same array at
  once: each writes a folder of its own, and the first to finish is kept.
  Images that cannot be used are left out; a warning counts and names them, now
  and at every later load.

  Args:
    source: where the images come from.
    split: 'train', 'validation' or 'test'.
    directory: where caches lie; `default_directory()` if None.
    progress: draw a bar on stderr while building.
    verify: compare the pixels with their sha256, about a second a gigabyte.

  Raises:
    ValueError: the split, the size or the source's answer is impossible, more
      than a thousandth of the images cannot be used, or what lies in the cache
      is damaged.
    OSError: the disk has too little room.
  """
  _check_split(split)
  _check_size(source)
  about = _about(source, split)
  folder = (directory or default_directory()) / _folder_name(about) / split
  if not folder.exists():
    _build(source, folder, about=about, progress=progress)
  stored = storage.read(folder, about=about, verify=verify)
  total, label = len(stored.images) + len(stored.skipped), _label(about)
  skipping.check(stored.skipped, total, label=label, allowed=source.skip_broken)
  skipping.warn(stored.skipped, total, label=label)
  return Dataset(
    images=stored.images,
    attributes=stored.attributes,
    attribute_names=source.attribute_names,
    source=source.name,
    split=split,
    digest=stored.digest,
  )


def default_directory() -> pathlib.Path:
  """Names the user's cache folder: $XDG_CACHE_HOME/vaegan_jax or ~/.cache."""
  root = os.environ.get('XDG_CACHE_HOME') or '~/.cache'
  return pathlib.Path(root).expanduser() / 'vaegan_jax'


def files_digest(sizes: dict[str, int]) -> str:
  """Digests files' names and sizes in bytes, whatever their order."""
  lines = (f'{name}\0{size}\n' for name, size in sorted(sizes.items()))
  return hashlib.sha256(''.join(lines).encode()).hexdigest()


def _check_split(split: str) -> None:
  if split not in SPLITS:
    raise ValueError(f'split is {split!r}; take one of {", ".join(SPLITS)}')


def _check_size(source: Source) -> None:
  if any(side < 8 or side % 8 for side in source.size):
    raise ValueError(
      f'images of {source.name} would be {source.size[0]}x{source.size[1]}; '
      'the networks halve them three times, so take multiples of 8'
    )


def _about(source: Source, split: str) -> dict[str, Any]:
  """Describes what a cache must hold to serve this source and split."""
  about = {
    'version': storage.VERSION,
    'source': source.name,
    'split': split,
    'size': list(source.size),
    'channels': source.channels,
    'attribute_names': list(source.attribute_names),
    'fingerprint': source.fingerprint(),
  }
  return json.loads(json.dumps(about))  # as it will come back: tuples are lists


def _folder_name(about: dict[str, Any]) -> str:
  common = {key: value for key, value in about.items() if key != 'split'}
  text = json.dumps(common, sort_keys=True)
  digest = hashlib.sha256(text.encode()).hexdigest()[:16]
  name = ''.join(c if c.isalnum() else '-' for c in about['source'])
  height, width = about['size']
  return f'{name}-{height}x{width}-{digest}'


def _build(
  source: Source,
  folder: pathlib.Path,
  *,
  about: dict[str, Any],
  progress: bool,
) -> None:
  split = about['split']
  length = source.length(split)
  if not length:
    raise ValueError(
      f'split {split!r} of {source.name} holds no image; the data set is too '
      'small, or has no such part'
    )
  storage.write(
    folder,
    shape=(length, *source.size, source.channels),
    read=lambda start, stop: source.read(split, start, stop),
    attributes=_attributes(source, split, length),
    about=about,
    label=_label(about),
    progress=progress,
    skip_broken=source.skip_broken,
  )


def _label(about: dict[str, Any]) -> str:
  return f'{about["source"]} {about["split"]}'


def _attributes(
  source: Source, split: str, length: int
) -> Shaped[np.ndarray, 'images attributes'] | None:
  attributes = source.attributes(split)
  expected = (length, len(source.attribute_names))
  if attributes is not None and attributes.shape != expected:
    raise ValueError(
      f'{source.name} has attributes of shape {attributes.shape} for '
      f'{expected[0]} images and {expected[1]} names'
    )
  return attributes
