"""Times all contestants on one size and batch, in alternation."""

from __future__ import annotations

import contextlib
import dataclasses
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks import contestants, host, timing, workers


@dataclasses.dataclass(frozen=True)
class Case:
  """A size in pixels a side, and images a step."""

  size: int
  batch: int

  def __str__(self) -> str:
    return f'{self.size}x{self.size}, batch {self.batch}'


@dataclasses.dataclass(frozen=True)
class Timed:
  """A contestant's times in a case.

  Attributes:
    name: of the contestant.
    case: what it was timed on.
    seconds: of a step, in each round.
    steps: that each of these is the mean of.
    about: see contestants.Prepared.about, 'measured_bytes' and, of them,
      'temporary_bytes', which a step takes and gives back.
  """

  name: str
  case: Case
  seconds: tuple[float, ...]
  steps: int
  about: Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Missing:
  """A contestant without times: what it was to do, and why it did not."""

  name: str
  case: Case | None
  why: str
  failed: bool = False


class Budget:
  """Says when no new measurement may be started."""

  def __init__(self, limit_s: float):
    """Starts counting; a limit of 0 is none."""
    self._limit, self._start = limit_s, time.monotonic()

  def spent(self) -> bool:
    """Says whether the time is over."""
    return 0 < self._limit < time.monotonic() - self._start


def say(text: str) -> None:
  """Writes a line of progress."""
  print(text, file=sys.stderr, flush=True)


def run(
  names: Sequence[str],
  case: Case,
  *,
  rounds: int,
  shared: bool,
  budget: Budget,
) -> tuple[list[Timed], list[Missing]]:
  """Times contestants in alternation.

  Args:
    names: of the contestants.
    case: what they are timed on.
    rounds: timed turns of each.
    shared: whether the contestants of a framework share a process.
    budget: of time.
  """
  missing: list[Missing] = []
  with contextlib.ExitStack() as stack:
    found: dict[str, workers.Worker] = {}
    runners: dict[str, workers.Runner] = {}
    for name in names:
      if budget.spent():
        missing.append(Missing(name, case, 'the time was up (--limit_s)'))
        continue
      framework = contestants.CONTESTANTS[name].framework
      key = framework if shared else name
      if key not in found:
        found[key] = workers.Worker()
        stack.callback(found[key].close)
      say(f'{case}: {name} is prepared')
      try:
        runners[name] = workers.Runner(
          found[key], name, size=case.size, batch=case.batch
        )
      except host.Failed as error:
        say(f'{case}: {name} failed: {error}')
        missing.append(Missing(name, case, str(error), failed=True))
    say(f'{case}: {rounds} rounds of {", ".join(runners) or "nobody"}')
    seconds = timing.alternate(runners, rounds=rounds, warm_ups=0)
  timed = []
  for name, runner in runners.items():
    if runner.failure:
      missing.append(Missing(name, case, runner.failure, failed=True))
      continue
    each = tuple(s / runner.steps for s in seconds[name])
    timed.append(Timed(name, case, each, runner.steps, runner.about))
  return timed, missing
