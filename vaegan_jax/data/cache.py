"""The cache: any source -> one uint8 array on disk.

Each image is decoded once. Later runs map the array, and a batch is a gather of
its rows. An array belongs to the content of the files it was made from. They
are read again only if their stamp, of sizes and times, is new.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import logging
import pathlib
from typing import Any

import numpy as np
from jaxtyping import Int

from vaegan_jax.data import building, looks, sources, storage
from vaegan_jax.data.images import defects
from vaegan_jax.files import atomic, checksums, lock, paths

_LOGGER = logging.getLogger(__name__)

# Images that are looked at for complaints.
_SAMPLE = 32


@dataclasses.dataclass(frozen=True, eq=False)
class Dataset:
  """One split of a source, ready to be indexed.

  Attributes:
    images: pixels, mapped read-only from disk.
    attributes: one row per image, or None.
    attribute_names: one for each column of `attributes`.
    source: the source's name.
    split: 'train', 'validation' or 'test'.
    digest: sha256 of the pixels, in hexadecimal.
  """

  images: storage.Images
  attributes: storage.Attributes | None
  attribute_names: tuple[str, ...]
  source: str
  split: str
  digest: str

  def with_attributes(self, names: tuple[str, ...]) -> Dataset:
    """Keeps the named attributes in this order; none if `names` is empty.

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

  def identity(self) -> str:
    """Returns the digest of the pixels and of the attributes."""
    rows = self.attributes
    columns = None if rows is None else np.ascontiguousarray(rows).data
    return checksums.digest(
      [self.digest, columns and hashlib.sha256(columns).hexdigest()]
    )

  def first(self, count: int) -> Dataset:
    """Copies the first images into memory; all, if there are fewer."""
    return self.take(np.arange(min(count, len(self.images))))

  def take(self, rows: Int[np.ndarray, ' images']) -> Dataset:
    """Copies the images of some rows into memory."""
    attributes = self.attributes
    return dataclasses.replace(
      self,
      images=np.asarray(self.images[rows]),
      attributes=None if attributes is None else attributes[rows],
    )

  def sample(self, count: int) -> Dataset:
    """Copies images of a fixed shuffle into memory; all, if there are fewer."""
    noise = np.random.Philox(key=0).random_raw(len(self.images))
    return self.take(np.argsort(noise, kind='stable')[:count])

  def spread(self, count: int) -> Int[np.ndarray, ' rows']:
    """Returns evenly spaced rows, as `spread` does."""
    return spread(len(self.images), count)


def spread(total: int, count: int) -> Int[np.ndarray, ' rows']:
  """Returns evenly spaced numbers below a total; all, if there are fewer.

  Many sources sort their images by person or class, so the first ones are not a
  fair sample.
  """
  count = min(count, total)
  return np.arange(count) * total // max(count, 1)


def load(
  source: sources.Source,
  *,
  split: str,
  directory: pathlib.Path | None = None,
  progress: bool = True,
  verify: bool = True,
) -> Dataset:
  """Loads a split of a source, and builds its array first if necessary.

  Building uses all cores. One of several processes builds an array, and the
  others wait for it; where the file system has no locks, each writes its own,
  and the first to finish is kept. Broken images are left out; every load logs a
  warning that counts and names them.

  Args:
    source: where the images come from.
    split: 'train', 'validation' or 'test'.
    directory: the cache; `default_directory()` if None.
    progress: show the progress of building on stderr.
    verify: compare the pixels with their sha256, about a second per gigabyte.

  Raises:
    ValueError: the split or the size is impossible, the source returns
      something else than it announces, more than a thousandth of the images
      are broken, or the cache is damaged.
    OSError: the disk has too little room.
  """
  _check(source, split)
  directory = directory or default_directory()
  stamp = source.stamp()
  memo = directory / 'fingerprints' / f'{stamp or source.name}.json'
  fingerprint = _recall(memo) or source.fingerprint()
  about = _about(source, split, fingerprint)
  folder = directory / _folder_name(about) / split
  label = f'{source.name} {split}'
  if not folder.exists():
    turn = folder.parent / f'.{split}.lock'
    with lock.in_turn(turn, work=f'reads the images of {label}'):
      if not folder.exists():
        building.build(
          source, folder, split=split, about=about, progress=progress
        )
  stored = storage.read(folder, about=about, verify=verify)
  if stamp:
    _remember(memo, fingerprint)
  broken = stored.broken
  total = len(stored.images) + len(broken)
  defects.check(broken, total, label=label, skip=source.skip_broken)
  record = folder / storage.ABOUT
  defects.warn(broken, total, label=label, record=record)
  dataset = Dataset(
    images=stored.images,
    attributes=stored.attributes,
    attribute_names=source.attribute_names,
    source=source.name,
    split=split,
    digest=stored.digest,
  )
  for complaint in looks.complaints(dataset.sample(_SAMPLE).images):
    _LOGGER.warning('The images of %s: %s.', label, complaint)
  return dataset


def warn_of_copies(train: Dataset, test: Dataset) -> int:
  """Counts, and logs, the test images that are among the training images."""
  if copies := looks.count_copies(test.images, train.images):
    _LOGGER.warning(
      '%d of the %d test images of %s are training images, too: measures of '
      'test images are better than those of new ones would be. Remove the '
      'copies from one of the splits.',
      copies,
      len(test.images),
      test.source,
    )
  return copies


def default_directory() -> pathlib.Path:
  """Returns $XDG_CACHE_HOME/vaegan_jax, or ~/.cache/vaegan_jax."""
  return paths.user_cache()


def _check(source: sources.Source, split: str) -> None:
  if split not in sources.SPLITS:
    raise ValueError(
      f'split is {split!r}; take one of {", ".join(sources.SPLITS)}'
    )
  if any(side < 8 or side % 8 for side in source.size):
    raise ValueError(
      f'images of {source.name} would be {source.size[0]}x{source.size[1]}; '
      'the networks halve them three times, so take multiples of 8'
    )


def _recall(memo: pathlib.Path) -> dict[str, Any]:
  """Reads the fingerprint of a stamp; {} if there is none, or it is damaged."""
  try:
    found = json.loads(memo.read_text(encoding='utf-8'))
  except (OSError, ValueError, RecursionError):
    return {}
  return found if isinstance(found, dict) else {}


def _remember(memo: pathlib.Path, fingerprint: dict[str, Any]) -> None:
  """Writes the fingerprint of a stamp, if the cache may be written to."""
  if not memo.exists():
    with contextlib.suppress(OSError):
      memo.parent.mkdir(exist_ok=True)
      atomic.write_text(memo, json.dumps(fingerprint) + '\n')


def _about(
  source: sources.Source, split: str, fingerprint: dict[str, Any]
) -> dict[str, Any]:
  """Describes what a cache must hold to serve a source and split."""
  about = {
    'version': storage.VERSION,
    'source': source.name,
    'split': split,
    'size': list(source.size),
    'channels': source.channels,
    'attribute_names': list(source.attribute_names),
    'fingerprint': fingerprint,
  }
  return json.loads(json.dumps(about))  # lists for tuples, as JSON has it


def _folder_name(about: dict[str, Any]) -> str:
  """Returns a name such as 'celeba-64x64-' and a digest of the rest."""
  common = {key: value for key, value in about.items() if key != 'split'}
  text = json.dumps(common, sort_keys=True)
  digest = hashlib.sha256(text.encode()).hexdigest()[:16]
  name = ''.join(c if c.isalnum() else '-' for c in about['source'])
  height, width = about['size']
  return f'{name}-{height}x{width}-{digest}'
