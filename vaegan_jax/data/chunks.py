"""Applies a function to many rows, a few at a time."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import jax
import numpy as np


def apply(
  function: Callable[..., Any], arrays: tuple[Any, ...], *, size: int
) -> Any:
  """Calls a function on batches of one size, so that it is compiled once.

  Args:
    function: maps batches of rows to a batch; rows do not affect each other.
    arrays: its arguments, arrays or trees of arrays of equally many rows; may
      be empty.
    size: rows per call, which bounds memory. Copies of the last row pad the
      last call, and zeros that of empty arrays.

  Returns:
    the function's results for all rows, an array or a tree of arrays.
  """
  count = len(jax.tree.leaves(arrays)[0])
  results: Any = None
  for start in range(0, max(count, 1), size):
    cut = functools.partial(_cut, start=start, size=size)
    part = function(*jax.tree.map(cut, arrays))
    if results is None:
      results = jax.tree.map(
        lambda x: np.empty((count, *x.shape[1:]), x.dtype), part
      )
    # At once, so that neither devices nor host hold all results twice.
    for whole, x in zip(*map(jax.tree.leaves, (results, part)), strict=True):
      whole[start : start + size] = np.asarray(x)[: count - start]
  return results


def _cut(array: np.ndarray, *, start: int, size: int) -> np.ndarray:
  part = np.asarray(array[start : start + size])
  if len(part) == size:
    return part
  if not len(part):
    return np.zeros((size, *part.shape[1:]), part.dtype)
  return np.concatenate([part, np.repeat(part[-1:], size - len(part), 0)])
