"""One array of images in a folder: written whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import shutil
from collections.abc import Callable
from concurrent import futures
from typing import Any

import numpy as np
import tqdm
from jaxtyping import Shaped, UInt8

from vaegan_jax import atomic

# Of the layout on disk.
VERSION = 1

# Images that a thread makes at a time.
_CHUNK = 256

_Read = Callable[[int, int], np.ndarray]


def write(
  folder: pathlib.Path,
  *,
  shape: tuple[int, int, int, int],
  read: _Read,
  attributes: Shaped[np.ndarray, 'images attributes'] | None,
  about: dict[str, Any],
  label: str,
  progress: bool,
) -> None:
  """Fills a temporary sibling of `folder` on all cores, then renames it.

  Args:
    folder: what must hold the array afterwards.
    shape: images, height, width, channels.
    read: makes the images start..stop-1; called from several threads.
    attributes: a row an image, or None.
    about: what `folder` is to say of itself.
    label: of the progress bar.
    progress: draw that bar on stderr.

  Raises:
    ValueError: `read` gave something of another shape or type.
    OSError: the disk has too little room.
  """
  folder.parent.mkdir(parents=True, exist_ok=True)
  _check_room(folder.parent, int(np.prod(shape)))
  with atomic.new_folder(folder) as temporary:
    images = np.lib.format.open_memmap(
      temporary / 'images.npy', mode='w+', dtype=np.uint8, shape=shape
    )
    _fill(images, read, label=label, progress=progress)
    images.flush()
    if attributes is not None:
      np.save(temporary / 'attributes.npy', attributes, allow_pickle=False)
    about = about | _measures(images, attributes)
    (temporary / 'about.json').write_text(json.dumps(about, indent=2) + '\n')


def read(
  folder: pathlib.Path, *, about: dict[str, Any], verify: bool
) -> tuple[
  UInt8[np.ndarray, 'images height width channels'],
  Shaped[np.ndarray, 'images attributes'] | None,
  str,
]:
  """Maps a folder's images; gives them, their attributes and their sha256.

  Raises:
    ValueError: it is not what `about` says, or not what was written.
  """
  try:
    found = json.loads((folder / 'about.json').read_text())
    images = np.load(folder / 'images.npy', mmap_mode='r', allow_pickle=False)
    attributes = None
    if (folder / 'attributes.npy').exists():
      attributes = np.load(folder / 'attributes.npy', allow_pickle=False)
  except (OSError, ValueError, EOFError) as error:
    raise _damaged(folder, str(error)) from error
  for key, value in (about | _shapes(images, attributes)).items():
    if found.get(key) != value:
      raise _damaged(folder, f'{key} is {value!r}, not {found.get(key)!r}')
  if verify and _digests(images, attributes) != found.get('sha256'):
    raise _damaged(folder, 'its bytes are not those that were written')
  return images, attributes, found['sha256']['images']


def _fill(
  images: np.ndarray, read: _Read, *, label: str, progress: bool
) -> None:
  def fill(start: int) -> int:
    stop = min(start + _CHUNK, len(images))
    pixels = read(start, stop)
    expected = images[start:stop].shape
    if pixels.shape != expected or pixels.dtype != np.uint8:
      raise ValueError(
        f'{label}: images {start}..{stop - 1} came as {pixels.dtype} '
        f'{pixels.shape}, expected uint8 {expected}'
      )
    images[start:stop] = pixels
    return stop - start

  pool = futures.ThreadPoolExecutor(os.cpu_count())
  with tqdm.tqdm(
    total=len(images), desc=label, unit='image', disable=not progress
  ) as bar:
    try:
      work = [pool.submit(fill, i) for i in range(0, len(images), _CHUNK)]
      for done in futures.as_completed(work):
        bar.update(done.result())
    finally:
      pool.shutdown(cancel_futures=True)


def _check_room(folder: pathlib.Path, needed: int) -> None:
  # A map of a file on a full disk ends the process by SIGBUS, without a word.
  free = shutil.disk_usage(folder).free
  if free < needed:
    raise OSError(
      f'{folder} has {free / 1e9:.2f} GB free, the images need '
      f'{needed / 1e9:.2f}; free some or name another directory'
    )


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
