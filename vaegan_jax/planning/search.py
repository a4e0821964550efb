"""The largest batch that fits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from vaegan_jax.planning import plans, programs

# A batch larger by less is not worth a compilation of minutes.
_WORTH_TRYING = 1.05


class Found(NamedTuple):
  """The end of a search.

  Attributes:
    plan: of the largest batch that was compiled and fits.
    too_large: the smallest batch that was tried and does not fit, if any.
  """

  plan: plans.Plan
  too_large: int | None


def largest_batch(
  make: Callable[[int], plans.Plan],
  *,
  start: int,
  chips: int,
  compilations: int = 6,
) -> Found:
  """Finds the largest batch that fits, within a twentieth if it may.

  Memory is nearly affine in the batch: the next to try is where the line
  through the last two reaches the chip's memory. Near the limit XLA spends
  time to save memory, so that every answer was compiled.

  Args:
    make: batch size -> its plan; it may raise programs.TooLarge.
    start: the first to try, if the chips can share it; or the next larger.
    chips: of which each batch is a multiple.
    compilations: at most.

  Raises:
    ValueError: none that was tried fits.
  """
  fitting: dict[int, plans.Plan] = {}
  failed: int | None = None
  size = -(-start // chips) * chips
  for _ in range(compilations):
    tried = _try(make, size)
    if tried is None:
      failed = size
    else:
      fitting[size] = tried
    following = _next(fitting, failed, chips=chips)
    if following is None:
      break
    size = following
  if not fitting:
    raise ValueError(
      f'no batch of {failed} or more fits {chips} chips: take more chips, or a '
      'smaller config'
    )
  return Found(fitting[max(fitting)], failed)


def _try(make: Callable[[int], plans.Plan], size: int) -> plans.Plan | None:
  try:
    tried = make(size)
  except programs.TooLarge:
    return None
  return tried if tried.fits else None


def _next(
  fitting: Mapping[int, plans.Plan], failed: int | None, *, chips: int
) -> int | None:
  """Chooses the next batch to try, if another is worth it."""
  if not fitting:
    half = (failed or 0) // 2 // chips * chips
    return half or None
  best = max(fitting)
  limit = fitting[best].where.chip.memory
  size = best + (limit - fitting[best].memory.total) / _slope(fitting)
  if failed is not None and size >= failed:
    size = (best + failed) / 2
  whole = int(size) // chips * chips
  return whole if whole > _WORTH_TRYING * best else None


def _slope(fitting: Mapping[int, plans.Plan]) -> float:
  """Gives the bytes of each chip that one more image of the batch takes."""
  *_, best = sizes = sorted(fitting)
  memory = fitting[best].memory
  if len(sizes) == 1:  # as if nothing were fixed, so that the next one fits
    return (memory.activations + memory.batch) / best
  less = sizes[-2]
  return max(memory.total - fitting[less].memory.total, 1) / (best - less)
