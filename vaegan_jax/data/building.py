"""Reads all images of a split, on all cores, into a folder of the cache."""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from concurrent import futures
from typing import Any

import numpy as np

from vaegan_jax.data import progress_bar, sources, storage
from vaegan_jax.data.images import defects
from vaegan_jax.files import atomic, cores

# Images that a thread reads at a time.
_CHUNK = 256


def build(
  source: sources.Source,
  folder: pathlib.Path,
  *,
  split: str,
  about: Mapping[str, Any],
  progress: bool,
) -> None:
  """Fills a temporary folder, then renames it.

  Args:
    source: where the images come from.
    folder: the folder to create; if another process creates it first, that
      one is kept.
    split: the split to read.
    about: the folder's description, in JSON types.
    progress: show the progress on stderr.

  Raises:
    ValueError: the split is empty, the source returns other shapes or types
      than it announces, or too many images are broken.
    OSError: the disk has too little room.
  """
  length = source.length(split)
  if not length:
    raise ValueError(
      f'split {split!r} of {source.name} holds no image; the data set is too '
      'small, or has no such part'
    )
  attributes = _attributes(source, split, length)
  folder.parent.mkdir(parents=True, exist_ok=True)
  with atomic.new_folder(folder) as temporary:
    shape = (length, *source.size, source.channels)
    images = storage.create(temporary, shape)
    broken = _fill(images, source, split=split, progress=progress)
    storage.finish(temporary, images, attributes, broken=broken, about=about)


def _attributes(
  source: sources.Source, split: str, length: int
) -> storage.Attributes | None:
  attributes = source.attributes(split)
  expected = (length, len(source.attribute_names))
  if attributes is not None and attributes.shape != expected:
    raise ValueError(
      f'{source.name} has attributes of shape {attributes.shape} for '
      f'{expected[0]} images and {expected[1]} names'
    )
  return attributes


def _fill(
  images: np.ndarray, source: sources.Source, *, split: str, progress: bool
) -> dict[int, defects.BrokenImage]:
  """Reads all images; broken ones stay zero.

  Returns:
    the broken images by position, in order.
  """
  total, label = len(images), f'{source.name} {split}'
  broken: dict[int, defects.BrokenImage] = {}
  read = 0
  pool = futures.ThreadPoolExecutor(cores.count())
  with progress_bar.start(
    total, label=label, unit='image', shown=progress
  ) as bar:
    try:
      tasks = {}
      for start in range(0, total, _CHUNK):
        part = images[start : start + _CHUNK]
        task = pool.submit(_fill_part, part, source, split=split, start=start)
        tasks[task] = len(part)
      for task in futures.as_completed(tasks):
        read += tasks[task]
        if found := task.result():
          broken = dict(sorted((broken | found).items()))
          defects.check(
            [*broken.values()],
            total,
            label=label,
            skip=source.skip_broken,
            partial=read < total,
          )
        bar.update(tasks[task])
    finally:
      pool.shutdown(cancel_futures=True)
  return broken


def _fill_part(
  part: np.ndarray, source: sources.Source, *, split: str, start: int
) -> dict[int, defects.BrokenImage]:
  """Reads images in one call, or one by one if some of them are broken."""
  try:
    part[:] = _read(source, split, start=start, shape=part.shape)
    return {}
  except defects.BrokenImage as error:
    if len(part) == 1:
      return {start: error}
  broken: dict[int, defects.BrokenImage] = {}
  for i in range(len(part)):
    one = part[i : i + 1]
    broken |= _fill_part(one, source, split=split, start=start + i)
  return broken


def _read(
  source: sources.Source, split: str, *, start: int, shape: tuple[int, ...]
) -> np.ndarray:
  stop = start + shape[0]
  pixels = source.read(split, start, stop)
  if pixels.shape != shape or pixels.dtype != np.uint8:
    raise ValueError(
      f'images {start}..{stop - 1} of {source.name} {split} are '
      f'{pixels.dtype} {pixels.shape}, expected uint8 {shape}'
    )
  return pixels
