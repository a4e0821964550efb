"""Times functions in alternation, so that noise affects all of them alike."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping


def alternate(
  functions: Mapping[str, Callable[[], object]],
  *,
  rounds: int,
  warm_ups: int = 1,
  clock: Callable[[], float] = time.perf_counter,
) -> dict[str, list[float]]:
  """Calls all functions one after the other, round after round.

  Returns the seconds of each call by name, without the rounds of the warm-up.
  """
  seconds: dict[str, list[float]] = {name: [] for name in functions}
  for _ in range(warm_ups + rounds):
    for name, function in functions.items():
      start = clock()
      function()
      seconds[name].append(clock() - start)
  return {name: each[warm_ups:] for name, each in seconds.items()}
