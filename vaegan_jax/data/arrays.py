"""Arrays of .npy and .npz files that may hold anything, never unpickled.

What a header says of an array's size is compared with the file's before any
memory is asked for.
"""

from __future__ import annotations

import io
import math
import pathlib
import struct
import tokenize
import zipfile
import zlib

import numpy as np

# What NumPy's reader of headers and zipfile raise for what is damaged.
_DAMAGED = (
  OSError,
  EOFError,
  SyntaxError,
  TypeError,
  LookupError,
  ArithmeticError,
  RuntimeError,
  MemoryError,
  struct.error,
  tokenize.TokenError,
  zlib.error,
  zipfile.BadZipFile,
)

# Booleans, integers, floating point numbers.
_KINDS = 'biuf'


def load(path: pathlib.Path) -> np.ndarray:
  """Maps the array of a .npy file, read-only.

  Raises:
    ValueError: it holds something else, or is damaged.
  """
  try:
    with path.open('rb') as file:
      _check_header(file, path.stat().st_size)
    array = np.load(path, mmap_mode='r', allow_pickle=False)
  except (ValueError, *_DAMAGED) as error:
    raise ValueError(f'{path.name}: {error!r}') from error
  return array


def load_all(content: bytes) -> dict[str, np.ndarray]:
  """Reads the arrays of a .npz file by name.

  Raises:
    ValueError: it holds something else, or is damaged.
  """
  try:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
      members = archive.infolist()
      # As written by np.savez: nothing can grow while it is read.
      if any(member.compress_type != zipfile.ZIP_STORED for member in members):
        raise ValueError('a compressed file: np.savez does not write such')
      if sum(member.file_size for member in members) > len(content):
        raise ValueError('a file of less than its members')
      return {
        member.filename.removesuffix('.npy'): _array(archive.read(member))
        for member in members
      }
  except (ValueError, *_DAMAGED) as error:
    raise ValueError(f'no whole .npz file of numbers: {error!r}') from error


def _array(content: bytes) -> np.ndarray:
  file = io.BytesIO(content)
  _check_header(file, len(content))
  file.seek(0)
  return np.lib.format.read_array(file, allow_pickle=False)


def _check_header(file: io.BufferedIOBase, size: int) -> None:
  """Refuses an array of objects, or of another size than its file."""
  version = np.lib.format.read_magic(file)
  read = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
  }.get(version)
  if read is None:
    raise ValueError(f'version {version} of the .npy format is not known')
  shape, _, dtype = read(file)
  if dtype.kind not in _KINDS:
    raise ValueError(f'an array of {dtype} is refused: expected numbers')
  # A negative length would be allowed by NumPy, which then guesses.
  if min(shape, default=0) < 0:
    raise ValueError(f'the shape {shape} is impossible')
  rest = size - file.tell()
  if math.prod(shape) * dtype.itemsize != rest:
    raise ValueError(f'{rest} bytes for {dtype} of the shape {shape}')
