"""Readers of untrusted .npy files: numbers only, never unpickled.

The size in a header is compared with the size of the file before any memory is
allocated.
"""

from __future__ import annotations

import math
import pathlib
from typing import BinaryIO

import numpy as np

from vaegan_jax.data.images import defects

_READ_HEADER = {
  (1, 0): np.lib.format.read_array_header_1_0,
  (2, 0): np.lib.format.read_array_header_2_0,
}

# Booleans, integers and floating point numbers.
_KINDS = 'biuf'


def load(path: pathlib.Path) -> np.ndarray:
  """Maps the array of a .npy file read-only.

  Raises:
    ValueError: the file is damaged or holds something other than numbers.
  """
  try:
    with path.open('rb') as file:
      _check_header(file, path.stat().st_size)
    return np.load(path, mmap_mode='r', allow_pickle=False)
  except defects.READ_ERRORS as error:
    raise ValueError(f'{path.name}: {error!r}') from error


def _check_header(file: BinaryIO, size: int) -> None:
  """Refuses other types than numbers, and sizes other than the file's."""
  version = np.lib.format.read_magic(file)
  if version not in _READ_HEADER:
    raise ValueError(f'version {version} of the .npy format is unknown')
  shape, _, dtype = _READ_HEADER[version](file)
  if dtype.kind not in _KINDS:
    raise ValueError(f'an array of {dtype} is refused: expected numbers')
  # NumPy accepts a negative length and infers it from the file's size.
  if min(shape, default=0) < 0:
    raise ValueError(f'the shape {shape} is impossible')
  remaining = size - file.tell()
  if math.prod(shape) * dtype.itemsize != remaining:
    raise ValueError(f'{remaining} bytes for {dtype} of shape {shape}')
