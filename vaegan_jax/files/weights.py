"""Weights in a safetensors file, beside a description of them."""

from __future__ import annotations

import hashlib
import json
import pathlib
from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np
import safetensors
from safetensors import numpy as safetensors_numpy

from vaegan_jax.files import atomic

Weights: TypeAlias = dict[str, np.ndarray]

# What safetensors and json raise for damaged files.
_DAMAGED = (
  OSError,
  ValueError,
  LookupError,
  TypeError,
  AttributeError,
  RecursionError,
  safetensors.SafetensorError,
)


def write(
  path: pathlib.Path,
  weights: Mapping[str, np.ndarray],
  *,
  about: Mapping[str, Any],
) -> None:
  """Writes weights in one move; equal arguments give equal bytes.

  Args:
    path: the file, which is replaced if it exists.
    weights: arrays by name.
    about: a description of the weights, in JSON types.
  """
  plain = {name: np.asarray(x, order='C') for name, x in weights.items()}
  text = json.dumps({**about, 'sha256': _digest(plain)}, sort_keys=True)
  path.parent.mkdir(parents=True, exist_ok=True)
  atomic.write_bytes(
    path, safetensors_numpy.save(plain, metadata={'about': text})
  )


def read(path: pathlib.Path, *, about: Mapping[str, Any]) -> Weights:
  """Reads weights and compares them with their description.

  Args:
    path: a file that `write` wrote.
    about: the description that the file must have.

  Raises:
    ValueError: the file is damaged, or its description differs from `about`.
  """
  return load(path, about=about)[0]


def load(
  path: pathlib.Path, *, about: Mapping[str, Any]
) -> tuple[Weights, dict[str, Any]]:
  """Reads weights and their description.

  Args:
    path: a file that `write` wrote.
    about: a part of the description that the file must have.

  Raises:
    ValueError: as `read`.
    OSError: the file is missing, or this user may not read it.
  """
  with path.open('rb'):
    pass  # safetensors calls any file that it may not open a missing one
  try:
    with safetensors.safe_open(path, framework='numpy') as file:
      weights = file.get_tensors()
      found = json.loads(file.metadata()['about'])
    expected = {**about, 'sha256': _digest(weights)}
    for key, value in expected.items():
      if found.get(key) != value:
        raise ValueError(f'{key} is {found.get(key)!r}, expected {value!r}')
  except _DAMAGED as error:
    raise ValueError(
      f'{path} is damaged or holds other weights ({error}): remove it and make '
      'it again'
    ) from error
  return weights, found


def _digest(weights: Mapping[str, np.ndarray]) -> str:
  """Computes the SHA-256 of names, types, shapes and values."""
  return hashlib.sha256(safetensors_numpy.save(dict(weights))).hexdigest()
