"""Image data sets that TensorFlow Datasets has prepared, without TensorFlow.

Only what lies on the disk is used: offline, TFDS's own look-up of a data set
waits minutes for the network, and its downloads need TensorFlow.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import pathlib
from typing import Any

import numpy as np
from jaxtyping import Int8, UInt8

from vaegan_jax.data import cache
from vaegan_jax.data.images import decoding, resizing

# What data sets call the three splits.
_ALIASES = {
  'train': ('train',),
  'validation': ('validation', 'valid', 'val', 'dev'),
  'test': ('test',),
}

# Examples in memory at a time while the attributes are read.
_CHUNK = 1024

# Of train, for each split that the data set has not.
_CARVED = 0.05


@dataclasses.dataclass(frozen=True)
class Tfds:
  """A data set of TFDS with one image per example, stored as array_record.

  A data set without 'validation' or 'test' gives the last twentieths of its
  'train' for them, which 'train' then leaves out. Its boolean features and,
  one column a class, its class labels are the attributes; other numbers are
  not.

  Attributes:
    dataset: 'celeb_a', or with more: 'cifar10:3.0.2', 'name/config:version'.
      The newest version on the disk if none is named.
    size: height and width of the images, cropped about their centre.
    channels: 1 (grey) or 3 (RGB).
    data_dir: where TFDS keeps data sets; $TFDS_DATA_DIR or
      ~/tensorflow_datasets if None.
    skip_broken: go on without images that cannot be used, however many.
  """

  dataset: str
  size: tuple[int, int]
  channels: int = 3
  data_dir: pathlib.Path | None = None
  skip_broken: bool = False

  @property
  def name(self) -> str:
    """What the user wrote in the config."""
    return f'tfds:{self.dataset}'

  @functools.cached_property
  def attribute_names(self) -> tuple[str, ...]:
    """Names of boolean features, and 'feature:class' for each class."""
    return tuple(column for label in self._labels for column in label.columns)

  def fingerprint(self) -> dict[str, Any]:
    """Covers the data set, its version, its files' names and sizes."""
    files = {p.name: p.stat().st_size for p in self._folder.iterdir()}
    return {
      'full_name': self._builder.info.full_name,
      'carved': _CARVED,
      'resizing': resizing.VERSION,
      'files': cache.files_digest(files),
    }

  def length(self, split: str) -> int:
    """Counts the images of a split."""
    _, start, stop = self._span(split)
    return stop - start

  def attributes(
    self, split: str
  ) -> Int8[np.ndarray, 'images attributes'] | None:
    """Gives 1 where a feature is true or a class applies, 0 elsewhere."""
    if not self._labels:
      return None
    length = self.length(split)
    rows = [
      np.concatenate([label.row(example) for label in self._labels])
      for start in range(0, length, _CHUNK)
      for example in self._examples(split, start, min(start + _CHUNK, length))
    ]
    return np.array(rows, np.int8).reshape(length, len(self.attribute_names))

  def read(
    self, split: str, start: int, stop: int
  ) -> UInt8[np.ndarray, 'images height width channels']:
    """Decodes, crops and resizes the images start..stop-1."""
    images = []
    examples = self._examples(split, start, stop)
    for place, example in enumerate(examples, start):
      pixels = decoding.decode(
        example[self._image_name],
        channels=self.channels,
        name=f'example {place}',
      )
      images.append(resizing.fit(pixels, self.size))
    return np.stack(images)

  def _examples(self, split: str, start: int, stop: int) -> list[Any]:
    name, first, _ = self._span(split)
    data = self._sources[name]
    # Undecoded: PIL lets other threads run meanwhile, and is faster.
    return data.__getitems__(range(first + start, first + stop))

  @functools.cached_property
  def _sources(self) -> dict[str, Any]:
    import tensorflow_datasets as tfds

    as_bytes = {self._image_name: tfds.decode.SkipDecoding()}
    return {
      name: self._builder.as_data_source(
        split=name, decoders=as_bytes, file_format='array_record'
      )
      for name in self._builder.info.splits
    }

  def _span(self, split: str) -> tuple[str, int, int]:
    """Finds a split: TFDS's name of it, first example, one past the last."""
    sizes = {k: v.num_examples for k, v in self._builder.info.splits.items()}
    found = {
      wanted: next((name for name in names if name in sizes), None)
      for wanted, names in _ALIASES.items()
    }
    own = found[split]
    if found['train'] is None:
      raise ValueError(
        f"{self.name} has no split 'train', only {', '.join(sizes)}; take a "
        'data set that has one'
      )
    if split != 'train' and own is not None:
      return own, 0, sizes[own]
    total = sizes['train']
    part = int(total * _CARVED)
    stop = {'test': total}
    stop['validation'] = total - part * (found['test'] is None)
    stop['train'] = stop['validation'] - part * (found['validation'] is None)
    start = 0 if split == 'train' else stop[split] - part
    return 'train', start, stop[split]

  @functools.cached_property
  def _image_name(self) -> str:
    import tensorflow_datasets as tfds

    features = self._builder.info.features
    names = [
      k for k in features if isinstance(features[k], tfds.features.Image)
    ]
    if len(names) == 1 or 'image' in names:
      return 'image' if 'image' in names else names[0]
    raise ValueError(
      f'{self.name} has {len(names)} image features ({", ".join(names)}), '
      'expected one, or one called image; take another data set'
    )

  @functools.cached_property
  def _labels(self) -> list[_Label]:
    return _find_labels(self._builder.info.features, ())

  @functools.cached_property
  def _builder(self) -> Any:
    import tensorflow_datasets as tfds

    return tfds.builder_from_directory(self._folder)

  @functools.cached_property
  def _folder(self) -> pathlib.Path:
    """Finds the prepared data set.

    Raises:
      FileNotFoundError: there is none.
      ValueError: it is in another format, or several configs are there.
    """
    root = self.data_dir or pathlib.Path(
      os.environ.get('TFDS_DATA_DIR') or '~/tensorflow_datasets'
    )
    root = root.expanduser()
    path, _, version = self.dataset.partition(':')
    found = _newest(root / path, version or '*')
    if found is None:
      raise FileNotFoundError(
        f'{self.name} is not prepared in {root}; where TensorFlow is '
        f'installed, run\n  tfds build {self.dataset} --file_format='
        f'array_record --data_dir={root}\nor set data_dir to where it is'
      )
    formats = _formats(found)
    if 'array_record' not in formats:
      raise ValueError(
        f'{found} is stored as {", ".join(formats)}, which TFDS reads with '
        'TensorFlow only; where that is installed, run\n  tfds convert_format '
        f'--dataset_version_dir={found} --out_file_format=array_record'
      )
    return found


@dataclasses.dataclass(frozen=True)
class _Label:
  """A boolean feature or a class label, and the columns it becomes."""

  path: tuple[str, ...]
  columns: tuple[str, ...]

  def row(self, example: Any) -> np.ndarray:
    for key in self.path:
      example = example[key]
    if len(self.columns) == 1:
      return np.array([example], np.int8)
    # Unlabelled examples carry -1 and get zeros.
    return (np.arange(len(self.columns)) == example).astype(np.int8)


def _find_labels(features: Any, path: tuple[str, ...]) -> list[_Label]:
  import tensorflow_datasets as tfds

  labels: list[_Label] = []
  for key in sorted(features):  # their own order may change with the process
    feature, here = features[key], (*path, key)
    if isinstance(feature, tfds.features.FeaturesDict):
      labels += _find_labels(feature, here)
    elif isinstance(feature, tfds.features.ClassLabel):
      columns = tuple(f'{key}:{name}' for name in feature.names)
      labels.append(_Label(here, columns))
    elif feature.np_dtype == np.bool_ and feature.shape == ():
      labels.append(_Label(here, (key,)))
  return labels


def _newest(root: pathlib.Path, version: str) -> pathlib.Path | None:
  """Finds the newest version in `root`, or in its only config."""
  pattern = f'{version}/dataset_info.json'
  found = [p.parent for p in root.glob(pattern)]
  found = found or [p.parent for p in root.glob(f'*/{pattern}')]
  configs = sorted({folder.parent.name for folder in found})
  if len(configs) > 1:
    raise ValueError(
      f'{root} holds several configs; take one of '
      + ', '.join(f'tfds:{root.name}/{config}' for config in configs)
    )
  return max(found, key=_version, default=None)


def _version(folder: pathlib.Path) -> list[int]:
  return [int(number) for number in folder.name.split('.') if number.isdigit()]


def _formats(folder: pathlib.Path) -> list[str]:
  path = folder / 'dataset_info.json'
  try:
    about = json.loads(path.read_text(encoding='utf-8'))
    others = about.get('alternativeFileFormats', [])
    return [about.get('fileFormat', 'tfrecord'), *others]
  except (ValueError, TypeError, AttributeError, RecursionError) as error:
    raise ValueError(
      f'{path} is damaged ({error}): prepare the data set again'
    ) from error
