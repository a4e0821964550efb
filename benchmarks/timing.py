"""Times functions in alternation, so that noise affects all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping


def alternate(
  functions: Mapping[str, Callable[[], object]],
  *,
  rounds: int,
  warm_ups: int = 1,
) -> dict[str, list[float]]:
  """Calls all functions one after the other, round after round.

  Args:
    functions: each does its work and waits until it is done.
    rounds: timed calls of each.
    warm_ups: calls of each before, which are not timed.

  Returns:
    the seconds of each call by name.
  """
  for function in functions.values():
    for _ in range(warm_ups):
      function()
  seconds: dict[str, list[float]] = {name: [] for name in functions}
  for _ in range(rounds):
    for name, function in functions.items():
      start = time.perf_counter()
      function()
      seconds[name].append(time.perf_counter() - start)
  return seconds
