"""The folder of a cached split, written whole or not at all.

images.npy      uint8 [images, height, width, channels]
attributes.npy  [images, attributes], if the source has attributes
about.json      what the images are, checksums, and the images left out
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Shaped, UInt8

from vaegan_jax.data import npy
from vaegan_jax.data.images import defects

# Version of the files' layout. Raise it when the layout changes.
VERSION = 2

# Images moved at a time when broken ones are removed.
_CHUNK = 256

_IMAGES, _ATTRIBUTES, ABOUT = 'images.npy', 'attributes.npy', 'about.json'

Images = UInt8[np.ndarray, 'images height width channels']
Attributes = Shaped[np.ndarray, 'images attributes']


class Stored(NamedTuple):
  """The content of a folder.

  Attributes:
    images: mapped read-only.
    attributes: one row per image, or None.
    digest: sha256 of the images, in hexadecimal.
    broken: the images left out, in the source's order.
  """

  images: Images
  attributes: Attributes | None
  digest: str
  broken: Sequence[defects.BrokenImage]


def create(folder: pathlib.Path, shape: tuple[int, ...]) -> np.memmap:
  """Creates the array of images, all zero, mapped for writing.

  Args:
    folder: an empty folder.
    shape: images, height, width, channels.

  Raises:
    OSError: the disk has too little room.
  """
  images = np.lib.format.open_memmap(
    folder / _IMAGES, mode='w+', dtype=np.uint8, shape=shape
  )
  if not hasattr(os, 'posix_fallocate'):  # on macOS
    return images
  # Writing to a mapped file kills the process by SIGBUS if the disk is full, so
  # its room is reserved first.
  with (folder / _IMAGES).open('r+b') as file:
    try:
      os.posix_fallocate(file.fileno(), 0, images.offset + images.nbytes)
    except OSError as error:
      raise OSError(
        error.errno,
        f'{folder.parent} has no room for {images.nbytes / 1e9:.2f} GB of '
        f'images ({error.strerror}); free some, or name another folder with '
        '--config.data.cache',
      ) from error
  return images


def finish(
  folder: pathlib.Path,
  images: np.memmap,
  attributes: Attributes | None,
  *,
  broken: Mapping[int, defects.BrokenImage],
  about: Mapping[str, Any],
) -> None:
  """Removes broken images and writes everything else.

  Args:
    folder: where `create` made the array.
    images: that array, filled.
    attributes: one row per image, or None.
    broken: the broken images by position, in order.
    about: what the images are, in JSON types.
  """
  if broken:
    images = _remove(images, folder / _IMAGES, positions=[*broken])
    if attributes is not None:
      attributes = np.delete(attributes, [*broken], axis=0)
  images.flush()
  if attributes is not None:
    np.save(folder / _ATTRIBUTES, attributes, allow_pickle=False)
  about = {
    **about,
    **_shapes(images, attributes),
    'sha256': _digests(images, attributes),
    'skipped': [[image.name, image.reason] for image in broken.values()],
  }
  (folder / ABOUT).write_text(json.dumps(about, indent=2) + '\n')


def read(
  folder: pathlib.Path, *, about: Mapping[str, Any], verify: bool
) -> Stored:
  """Maps the images of a folder and reads the rest.

  Args:
    folder: the folder.
    about: what it must contain.
    verify: compare the arrays with their checksums.

  Raises:
    ValueError: the folder is damaged or holds something else.
  """
  try:
    found = json.loads((folder / ABOUT).read_text(encoding='utf-8'))
    broken = [defects.BrokenImage(*map(str, row)) for row in found['skipped']]
    digest = str(found['sha256']['images'])
    images, attributes = npy.load(folder / _IMAGES), None
    if (folder / _ATTRIBUTES).exists():
      attributes = np.array(npy.load(folder / _ATTRIBUTES))
  except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
    raise _damaged(folder, repr(error)) from error
  for key, value in {**about, **_shapes(images, attributes)}.items():
    if found.get(key) != value:
      raise _damaged(folder, f'{key} is {value!r}, not {found.get(key)!r}')
  # The description may be wrong, too.
  if (images.dtype, images.ndim) != (np.uint8, 4) or (
    attributes is not None
    and (attributes.ndim != 2 or len(attributes) != len(images))
  ):
    raise _damaged(folder, 'its arrays are not images and attributes')
  if verify and _digests(images, attributes) != found['sha256']:
    raise _damaged(folder, 'its arrays do not match their checksums')
  return Stored(images, attributes, digest, broken)


def _remove(
  images: np.memmap, path: pathlib.Path, *, positions: Sequence[int]
) -> np.memmap:
  """Removes images from a file in place."""
  kept = np.delete(np.arange(len(images)), positions)
  for start in range(0, len(kept), _CHUNK):
    rows = kept[start : start + _CHUNK]
    images[start : start + len(rows)] = images[rows]
  shape, offset = (len(kept), *images.shape[1:]), images.offset
  images.flush()
  with path.open('r+b') as file:
    # NumPy pads headers, so a smaller first axis fits into the same bytes.
    np.lib.format.write_array_header_1_0(
      file, {'descr': '|u1', 'fortran_order': False, 'shape': shape}
    )
    file.truncate(offset + math.prod(shape))
  return np.lib.format.open_memmap(path, mode='r+')


def _shapes(
  images: np.ndarray, attributes: np.ndarray | None
) -> dict[str, list[str | int] | None]:
  return {
    name: None if array is None else [str(array.dtype), *array.shape]
    for name, array in (('images', images), ('attributes', attributes))
  }


def _digests(
  images: np.ndarray, attributes: np.ndarray | None
) -> dict[str, str]:
  return {
    name: hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()
    for name, array in (('images', images), ('attributes', attributes))
    if array is not None
  }


def _damaged(folder: pathlib.Path, reason: str) -> ValueError:
  return ValueError(
    f'the cache {folder} is damaged: {reason}; remove that folder, and the '
    'next start builds it again'
  )
