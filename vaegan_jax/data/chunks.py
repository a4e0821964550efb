"""A function of many rows, called on a few of them at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import numpy as np


def apply(
  function: Callable[..., Any], arrays: tuple[np.ndarray, ...], *, size: int
) -> Any:
  """Calls a function on batches of one size, so that it is compiled once.

  Args:
    function: of as many arrays; what it gives of a row depends on no other.
    arrays: of equally many rows, at least one.
    size: rows of a call, which bound its memory; copies of the last row fill
      up the last call.

  Returns:
    what the function gives, arrays or a tree of them, a row for each given.
  """
  count = len(arrays[0])
  results = []
  for start in range(0, count, size):
    parts = (np.asarray(array[start : start + size]) for array in arrays)
    results.append(function(*(_fill(part, size=size) for part in parts)))
  return jax.tree.map(lambda *parts: np.concatenate(parts)[:count], *results)


def _fill(part: np.ndarray, *, size: int) -> np.ndarray:
  if len(part) == size:
    return part
  return np.concatenate([part, np.repeat(part[-1:], size - len(part), 0)])
