"""Applies a function to many rows, a few at a time."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from concurrent import futures
from typing import Any

import jax
import numpy as np

from vaegan_jax.files import cores

# Batches at a time. XLA's convolutions of a CPU use one core each
# (docs/notes/performance-log.md); an accelerator computes one while another is
# copied.
_THREADS = min(4, cores.count())


def apply(
  function: Callable[..., Any], arrays: tuple[Any, ...], *, size: int
) -> Any:
  """Calls a function on batches of one size, so that it is compiled once.

  Args:
    function: maps batches of rows to a batch; rows do not affect each other.
    arrays: its arguments, arrays or trees of arrays of equally many rows; may
      be empty.
    size: rows per call; `_THREADS` calls at a time bound memory. Copies of the
      last row pad the last call, and zeros that of empty arrays.

  Returns:
    the function's results for all rows, an array or a tree of arrays.
  """
  count = len(jax.tree.leaves(arrays)[0])

  def compute(start: int) -> Any:
    cut = functools.partial(_cut, start=start, size=size)
    # On the host at once, so that devices do not hold all results.
    return jax.tree.map(np.asarray, function(*jax.tree.map(cut, arrays)))

  first, *others = range(0, max(count, 1), size)
  part = compute(first)  # alone: threads would compile it once each
  results = jax.tree.map(
    lambda x: np.empty((count, *x.shape[1:]), x.dtype), part
  )
  with futures.ThreadPoolExecutor(_THREADS) as pool:
    parts = itertools.chain([part], pool.map(compute, others))
    for start, part in zip((first, *others), parts, strict=True):
      for whole, x in zip(*map(jax.tree.leaves, (results, part)), strict=True):
        whole[start : start + size] = x[: count - start]
  return results


def _cut(array: np.ndarray, *, start: int, size: int) -> np.ndarray:
  part = np.asarray(array[start : start + size])
  if len(part) == size:
    return part
  if not len(part):
    return np.zeros((size, *part.shape[1:]), part.dtype)
  return np.concatenate([part, np.repeat(part[-1:], size - len(part), 0)])
