"""One array of images in a folder: written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent import futures
from typing import Any, NamedTuple

import numpy as np
import tqdm
from jaxtyping import Shaped, UInt8

from vaegan_jax.data import arrays
from vaegan_jax.data.images import skipping
from vaegan_jax.files import atomic

# Of the layout on disk.
VERSION = 2

# Images that a thread makes at a time.
_CHUNK = 256

_Read = Callable[[int, int], np.ndarray]


class Stored(NamedTuple):
  """What a folder holds.

  Attributes:
    images: mapped read-only.
    attributes: a row an image, or None.
    digest: sha256 of the images, in hexadecimal.
    skipped: what was left out, in the source's order.
  """

  images: UInt8[np.ndarray, 'images height width channels']
  attributes: Shaped[np.ndarray, 'images attributes'] | None
  digest: str
  skipped: Sequence[skipping.Broken]


def write(
  folder: pathlib.Path,
  *,
  shape: tuple[int, int, int, int],
  read: _Read,
  attributes: Shaped[np.ndarray, 'images attributes'] | None,
  about: dict[str, Any],
  label: str,
  progress: bool,
  skip_broken: bool = False,
) -> None:
  """Fills a temporary sibling of `folder` on all cores, then renames it.

  Images that are broken are left out, and about.json tells which and why.

  Args:
    folder: what must hold the array afterwards.
    shape: images, height, width, channels.
    read: makes the images start..stop-1, or raises skipping.Broken if one of
      them cannot be used; called from several threads.
    attributes: a row an image, or None.
    about: what `folder` is to say of itself.
    label: of the progress bar and of errors.
    progress: draw that bar on stderr.
    skip_broken: go on however many images are broken.

  Raises:
    ValueError: `read` gave something of another shape or type, or too many
      images are broken.
    OSError: the disk has too little room.
  """
  folder.parent.mkdir(parents=True, exist_ok=True)
  _check_room(folder.parent, int(np.prod(shape)))
  with atomic.new_folder(folder) as temporary:
    path = temporary / 'images.npy'
    images = np.lib.format.open_memmap(
      path, mode='w+', dtype=np.uint8, shape=shape
    )

    def check(broken: Mapping[int, skipping.Broken]) -> None:
      skipping.check(
        _in_order(broken), len(images), label=label, allowed=skip_broken
      )

    broken = _fill(images, read, check=check, label=label, progress=progress)
    if broken:
      images = _without(images, path, places=sorted(broken))
      if attributes is not None:
        attributes = np.delete(attributes, sorted(broken), axis=0)
    images.flush()
    if attributes is not None:
      np.save(temporary / 'attributes.npy', attributes, allow_pickle=False)
    skipped = [[error.name, error.why] for error in _in_order(broken)]
    about = about | _measures(images, attributes) | {'skipped': skipped}
    (temporary / 'about.json').write_text(json.dumps(about, indent=2) + '\n')


def read(
  folder: pathlib.Path, *, about: dict[str, Any], verify: bool
) -> Stored:
  """Maps a folder's images, and reads what else it holds.

  Raises:
    ValueError: it is not what `about` says, or not what was written.
  """
  try:
    found = json.loads((folder / 'about.json').read_text(encoding='utf-8'))
    skipped = [skipping.Broken(*map(str, row)) for row in found['skipped']]
    digest = str(found['sha256']['images'])
    images = arrays.load(folder / 'images.npy')
    attributes = None
    if (folder / 'attributes.npy').exists():
      attributes = np.array(arrays.load(folder / 'attributes.npy'))
  except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
    raise _damaged(folder, repr(error)) from error
  for key, value in (about | _shapes(images, attributes)).items():
    if found.get(key) != value:
      raise _damaged(folder, f'{key} is {value!r}, not {found.get(key)!r}')
  if not _are_images(images, attributes):
    raise _damaged(folder, 'its arrays are no images and their attributes')
  if verify and _digests(images, attributes) != found['sha256']:
    raise _damaged(folder, 'its bytes are not those that were written')
  return Stored(images, attributes, digest, skipped)


def _fill(
  images: np.ndarray,
  read: _Read,
  *,
  check: Callable[[Mapping[int, skipping.Broken]], None],
  label: str,
  progress: bool,
) -> dict[int, skipping.Broken]:
  """Reads all images; gives those that are broken, by their places.

  Args:
    images: to fill; those of broken images keep zeros.
    read: as of `write`.
    check: called with what is broken as soon as that grows.
    label: of the progress bar and of errors.
    progress: draw that bar.
  """

  def fill(start: int) -> dict[int, skipping.Broken]:
    part = images[start : start + _CHUNK]
    return _fill_part(part, read, start=start, label=label)

  broken: dict[int, skipping.Broken] = {}
  pool = futures.ThreadPoolExecutor(os.cpu_count())
  with tqdm.tqdm(
    total=len(images), desc=label, unit='image', disable=not progress
  ) as bar:
    try:
      starts = range(0, len(images), _CHUNK)
      work = {pool.submit(fill, start): start for start in starts}
      for done in futures.as_completed(work):
        if done.result():
          broken |= done.result()
          check(broken)
        bar.update(min(_CHUNK, len(images) - work[done]))
    finally:
      pool.shutdown(cancel_futures=True)
  return broken


def _fill_part(
  part: np.ndarray, read: _Read, *, start: int, label: str
) -> dict[int, skipping.Broken]:
  """Reads images together, or one by one if some of them are broken."""
  stop = start + len(part)
  try:
    part[:] = _pixels(read, (start, stop), shape=part.shape[1:], label=label)
  except skipping.Broken as error:
    if len(part) == 1:
      return {start: error}
    broken: dict[int, skipping.Broken] = {}
    for place in range(start, stop):
      one = part[place - start :][:1]
      broken |= _fill_part(one, read, start=place, label=label)
    return broken
  return {}


def _pixels(
  read: _Read, span: tuple[int, int], *, shape: tuple[int, ...], label: str
) -> np.ndarray:
  """Reads the images of a span, and checks what comes."""
  start, stop = span
  pixels = read(start, stop)
  expected = (stop - start, *shape)
  if pixels.shape != expected or pixels.dtype != np.uint8:
    raise ValueError(
      f'{label}: images {start}..{stop - 1} came as {pixels.dtype} '
      f'{pixels.shape}, expected uint8 {expected}'
    )
  return pixels


def _without(
  images: np.memmap, path: pathlib.Path, *, places: Sequence[int]
) -> np.memmap:
  """Takes images out of a file, moving those behind them up."""
  kept = np.delete(np.arange(len(images)), places)
  for start in range(0, len(kept), _CHUNK):
    rows = kept[start : start + _CHUNK]
    images[start : start + len(rows)] = images[rows]
  shape, offset = (len(kept), *images.shape[1:]), images.offset
  images.flush()
  with path.open('r+b') as file:
    # NumPy leaves room in a header for the digits of the first axis.
    np.lib.format.write_array_header_1_0(
      file, {'descr': '|u1', 'fortran_order': False, 'shape': shape}
    )
    file.truncate(offset + int(np.prod(shape)))
  return np.lib.format.open_memmap(path, mode='r+')


def _in_order(
  broken: Mapping[int, skipping.Broken],
) -> list[skipping.Broken]:
  return [broken[place] for place in sorted(broken)]


def _check_room(folder: pathlib.Path, needed: int) -> None:
  # A map of a file on a full disk ends the process by SIGBUS, without a word.
  free = shutil.disk_usage(folder).free
  if free < needed:
    raise OSError(
      f'{folder} has {free / 1e9:.2f} GB free, the images need '
      f'{needed / 1e9:.2f}; free some or name another directory'
    )


def _are_images(images: np.ndarray, attributes: np.ndarray | None) -> bool:
  """Checks what holds of every folder, whatever its about.json says."""
  if images.dtype != np.uint8 or images.ndim != 4:
    return False
  if attributes is None:
    return True
  return attributes.ndim == 2 and len(attributes) == len(images)


def _measures(
  images: np.ndarray, attributes: np.ndarray | None
) -> dict[str, Any]:
  shapes = _shapes(images, attributes)
  return shapes | {'sha256': _digests(images, attributes)}


def _shapes(
  images: np.ndarray, attributes: np.ndarray | None
) -> dict[str, Any]:
  arrays = {'images': images, 'attributes': attributes}
  return {
    name: None if array is None else [str(array.dtype), *array.shape]
    for name, array in arrays.items()
  }


def _digests(
  images: np.ndarray, attributes: np.ndarray | None
) -> dict[str, str]:
  arrays = {'images': images, 'attributes': attributes}
  return {
    name: hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()
    for name, array in arrays.items()
    if array is not None
  }


def _damaged(folder: pathlib.Path, what: str) -> ValueError:
  return ValueError(
    f'the cache {folder} is damaged: {what}; remove that folder, and the next '
    'start builds it again'
  )
