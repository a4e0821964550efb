"""Image data sets prepared by TensorFlow Datasets, read without TensorFlow.

Only files on disk are used: TFDS's own lookup of a data set waits minutes for
the network when offline, and its downloads need TensorFlow.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import logging
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Int8, UInt8

from vaegan_jax.data.images import decoding, resizing
from vaegan_jax.data.sources import splits
from vaegan_jax.files import checksums, contents, paths

_LOGGER = logging.getLogger(__name__)

# Examples in memory at a time while the attributes are read.
_CHUNK = 1024

# The fraction of 'train' that replaces each missing split.
_CARVED = 0.05


@dataclasses.dataclass(frozen=True)
class Tfds:
  """A TFDS data set with one image per example, stored as array_record.

  Splits may have any of the names that `splits.of` knows. If the data set has
  no 'validation' or 'test', the last twentieths of its 'train' replace them.
  The attributes are its boolean features and, with one column per class, its
  class labels; other numbers are ignored.

  Attributes:
    dataset: a name such as 'celeb_a', 'cifar10:3.0.2' or
      'name/config:version'; without a version, the newest on disk.
    size: height and width of the images, cropped about their centre.
    channels: 1 (grey) or 3 (RGB).
    data_dir: the folder of TFDS; $TFDS_DATA_DIR or ~/tensorflow_datasets if
      None.
    train_on_validation: whether 'train' includes the validation images. There
      is then no split 'validation'.
    skip_broken: leave out any number of broken images.
  """

  dataset: str
  size: tuple[int, int]
  channels: int = 3
  data_dir: pathlib.Path | None = None
  train_on_validation: bool = False
  skip_broken: bool = False

  @property
  def name(self) -> str:
    """Value of `config.data.source`."""
    return f'tfds:{self.dataset}'

  @functools.cached_property
  def attribute_names(self) -> tuple[str, ...]:
    """Names of boolean features, and 'feature:class' for each class."""
    return tuple(column for label in self._labels for column in label.columns)

  def fingerprint(self) -> dict[str, Any]:
    """Covers the data set, its version, and the content of its files."""
    crcs = contents.crcs(self._files)
    return self._identify(dict(zip(self._files, crcs, strict=True)))

  def stamp(self) -> str:
    """Covers the same, and the times of files for their content."""
    stamps = {path: contents.stamp(path) for path in self._files}
    return checksums.digest(self._identify(stamps))

  def _identify(self, found: Mapping[pathlib.Path, Any]) -> dict[str, Any]:
    return {
      'full_name': self._builder.info.full_name,
      'carved': _CARVED,
      'train_on_validation': self.train_on_validation,
      'resizing': resizing.VERSION,
      'files': {path.name: found[path] for path in self._files},
    }

  @functools.cached_property
  def _files(self) -> list[pathlib.Path]:
    return sorted(path for path in self._folder.iterdir() if path.is_file())

  def length(self, split: str) -> int:
    """Counts the images of a split."""
    return sum(len(places) for _, places in self._spans(split))

  def attributes(
    self, split: str
  ) -> Int8[np.ndarray, 'images attributes'] | None:
    """Returns 1 where a feature is true or a class applies, 0 elsewhere."""
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
    """Decodes, crops and resizes images start..stop-1."""
    images = []
    for i, example in enumerate(self._examples(split, start, stop), start):
      data = example[self._image_name]
      pixels = decoding.decode(
        data, channels=self.channels, name=f'example {i}'
      )
      images.append(resizing.fit(pixels, self.size))
    return np.stack(images)

  def _examples(self, split: str, start: int, stop: int) -> list[Any]:
    examples: list[Any] = []
    for name, places in self._spans(split):
      examples += self._data[name].__getitems__(places[start:stop])
      start, stop = (max(0, n - len(places)) for n in (start, stop))
    return examples

  @functools.cached_property
  def _data(self) -> dict[str, Any]:
    import tensorflow_datasets as tfds

    # Images stay encoded: PIL is faster, and releases the GIL.
    as_bytes = {self._image_name: tfds.decode.SkipDecoding()}
    return {
      name: self._builder.as_data_source(
        split=name, decoders=as_bytes, file_format='array_record'
      )
      for name in self._builder.info.splits
    }

  def _spans(self, split: str) -> list[tuple[str, range]]:
    """Returns the splits of TFDS, and their examples, that form a split."""
    splits.check_validation(split, train_on_validation=self.train_on_validation)
    if split == 'train' and self.train_on_validation:
      return [self._all_spans['train'], self._all_spans['validation']]
    return [self._all_spans[split]]

  @functools.cached_property
  def _all_spans(self) -> dict[str, tuple[str, range]]:
    sizes = {k: v.num_examples for k, v in self._builder.info.splits.items()}
    # Of several names of a split the shortest is the plain one.
    names = sorted(sizes, key=lambda name: (len(name), name), reverse=True)
    own = {split: name for name in names if (split := splits.of(name))}
    if 'train' not in own:
      raise ValueError(
        f"{self.name} has no split 'train', only {', '.join(sizes)}; take a "
        'data set that has one'
      )
    if others := sizes.keys() - {*own.values()}:
      _LOGGER.warning(
        'The splits %s of %s are left out.',
        ', '.join(sorted(others)),
        self.name,
      )
    spans = {split: (name, range(sizes[name])) for split, name in own.items()}
    train, places = spans['train']
    part = int(len(places) * _CARVED)
    for split in ('test', 'validation'):
      if split not in spans:
        stop = len(places) - part
        spans[split] = train, places[stop:]
        places = places[:stop]
    return {**spans, 'train': (train, places)}

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
      "expected one, or one named 'image'; take another data set"
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
      ValueError: it is in another format, or has several configs.
    """
    root = self.data_dir or paths.absolute(
      os.environ.get('TFDS_DATA_DIR') or '~/tensorflow_datasets',
      name='TFDS_DATA_DIR',
    )
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
    # Unlabelled examples have class -1: all columns are zero.
    return (np.arange(len(self.columns)) == example).astype(np.int8)


def _find_labels(features: Any, path: tuple[str, ...]) -> list[_Label]:
  import tensorflow_datasets as tfds

  labels: list[_Label] = []
  for key in sorted(features):  # their own order may differ between processes
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
    info = json.loads(path.read_text(encoding='utf-8'))
    others = info.get('alternativeFileFormats', [])
    return [info.get('fileFormat', 'tfrecord'), *others]
  except (ValueError, TypeError, AttributeError, RecursionError) as error:
    raise ValueError(
      f'{path} is damaged ({error}): prepare the data set again'
    ) from error
