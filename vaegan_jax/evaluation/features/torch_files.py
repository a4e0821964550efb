"""Tensors of PyTorch's weight files, read without unpickling.

A .pth file holds a pickle, which `pickle.load` and `torch.load` run;
`pickles` follows it instead.
"""

from __future__ import annotations

import io
import pathlib
import struct
import zipfile
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from vaegan_jax.evaluation.features import pickles

# What zipfile, pickletools and NumPy raise for what is damaged.
_DAMAGED = (
  OSError,
  EOFError,
  TypeError,
  LookupError,
  AttributeError,
  ArithmeticError,
  RuntimeError,
  struct.error,
  zlib.error,
  zipfile.BadZipFile,
)

# The first thing in a file of PyTorch before 1.6, which is no archive.
_MAGIC = 0x1950A86A20F9469CFC6C


def read(path: pathlib.Path) -> dict[str, np.ndarray]:
  """Reads the tensors of a state dictionary that torch.save wrote.

  Args:
    path: of an archive (PyTorch 1.6 and later) or an older file.

  Raises:
    ValueError: the file holds something else, or is damaged.
  """
  # Whole, as a pickle may ask a file for any number of bytes.
  content = io.BytesIO(path.read_bytes())
  try:
    if zipfile.is_zipfile(content):
      found, storages = _read_archive(content)
    else:
      content.seek(0)
      found, storages = _read_legacy(content)
    if not isinstance(found, dict):
      raise ValueError('it holds no state dictionary')
    return {
      str(name): _array(tensor, storages)
      for name, tensor in found.items()
      if isinstance(tensor, pickles.Tensor)
    }
  except (ValueError, *_DAMAGED) as error:
    raise ValueError(f'{path} is refused: {error}') from error


def _read_archive(file: io.BytesIO) -> tuple[Any, dict[str, bytes]]:
  with zipfile.ZipFile(file) as archive:
    names = archive.namelist()
    if any(f.compress_type != zipfile.ZIP_STORED for f in archive.infolist()):
      raise ValueError('a compressed archive: torch.save does not write such')
    # Members that lie over each other could be many times the file.
    size = file.getbuffer().nbytes
    if sum(f.file_size for f in archive.infolist()) > size:
      raise ValueError('an archive of less than its members')
    programs = [name for name in names if name.endswith('/data.pkl')]
    if len(programs) != 1:
      raise ValueError(f'{len(programs)} data.pkl in the archive: expected one')
    folder = programs[0].removesuffix('data.pkl')
    order = f'{folder}byteorder'
    if order in names and archive.read(order) != b'little':
      raise ValueError('the archive is not little-endian: save it anew')
    found = pickles.follow(io.BytesIO(archive.read(programs[0])))
    prefix = f'{folder}data/'
    storages = {
      name.removeprefix(prefix): archive.read(name)
      for name in names
      if name.startswith(prefix)
    }
  return found, storages


def _read_legacy(file: io.BytesIO) -> tuple[Any, dict[str, bytes]]:
  """Reads four pickles, the keys of the storages, and each one's numbers."""
  if pickles.follow(file) != _MAGIC:
    raise ValueError('no file of PyTorch: expected what torch.save wrote')
  _, system = pickles.follow(file), pickles.follow(file)
  if not (isinstance(system, dict) and system.get('little_endian') is True):
    raise ValueError('the file is not little-endian: save it anew')
  sizes: dict[str, int] = {}
  found = pickles.follow(file, sizes)
  storages = {}
  keys = pickles.follow(file)
  if not isinstance(keys, list) or len(set(keys)) < len(keys):
    raise ValueError('the list of storages is damaged')
  for key in keys:
    file.seek(8, io.SEEK_CUR)  # its length once more
    storages[key] = file.read(sizes.get(key, 0))
  return found, storages


def _array(tensor: pickles.Tensor, storages: Mapping[str, bytes]) -> np.ndarray:
  """Cuts a tensor out of its storage, within the bounds of that."""
  storage, offset, shape, strides = tensor
  content = storages.get(storage.key, b'')
  dtype = np.dtype(storage.dtype)
  if len(content) % dtype.itemsize or len(strides) != len(shape):
    raise ValueError(f'storage {storage.key} is damaged')
  values = np.frombuffer(content, dtype)
  size: int = np.prod(shape, dtype=object)
  if not size:
    return np.zeros(shape, dtype)
  steps = zip(shape, strides, strict=True)
  last = offset + sum((n - 1) * stride for n, stride in steps)
  # A stride of 0 could blow a number up to any size.
  if min(offset, *strides, 0) < 0 or max(size, last + 1) > len(values):
    raise ValueError(f'storage {storage.key} is too short for its tensor')
  in_bytes = [stride * dtype.itemsize for stride in strides]
  view = np.lib.stride_tricks.as_strided(values[offset:], shape, in_bytes)
  return view.copy()
