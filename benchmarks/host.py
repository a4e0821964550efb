"""Runs in the contestants' processes: prepares steps, and does them."""

from __future__ import annotations

import importlib
from typing import Any

from benchmarks import ceilings, contestants, memory

# Calls before the first timed one: the first compiles, and accelerators choose
# among their kernels.
_WARM_UPS = {'cpu': 1}
_ACCELERATOR_WARM_UPS = 3

_prepared: dict[str, contestants.Prepared] = {}


class Failed(RuntimeError):
  """Says in one line why a contestant cannot be timed."""


def look(framework: str) -> tuple[str, str | None]:
  """Gives a framework's platform, and the name of its accelerator or None."""
  module = _module(framework)
  platform = _in_a_line(module.load)
  return platform, None if platform == 'cpu' else module.device()


def measure(framework: str) -> dict[str, float]:
  """Measures the machine's ceilings with a framework; see `ceilings`."""
  _module(framework).load()
  return _in_a_line(ceilings.MEASURES[framework])


def train(size: int, batch: int) -> dict[str, Any]:
  """Runs the training loop for a stretch; see `loop`."""
  loop = importlib.import_module('benchmarks.loop')
  return _in_a_line(loop.measure, size, batch)


def prepare(name: str, *, size: int, batch: int) -> dict[str, Any]:
  """Prepares a contestant, warms it up, and says what is known of its step.

  Raises:
    Failed: if that fails, whatever the reason.
  """
  contestant = contestants.CONTESTANTS[name]
  module = _module(contestant.framework)
  platform = module.load()
  before = memory.resident()
  prepared = _in_a_line(module.prepare, size, batch, **contestant.options)
  _in_a_line(prepared.run, _WARM_UPS.get(platform, _ACCELERATOR_WARM_UPS))
  memory.forget_peak()
  settled = memory.resident()
  _in_a_line(prepared.run, 1)
  _prepared[name] = prepared
  about = {**prepared.about, 'steps': prepared.steps}
  if prepared.allocated is not None:
    about['measured_bytes'] = prepared.allocated()
  elif platform == 'cpu' and before is not None and settled is not None:
    peak = memory.peak() or 0
    about['measured_bytes'] = peak - before
    about['temporary_bytes'] = peak - settled
  return about


def run(name: str, calls: int) -> None:
  """Makes calls of a prepared contestant, and waits for the last.

  Raises:
    Failed: if that fails.
  """
  _in_a_line(_prepared[name].run, calls)


def _module(framework: str) -> Any:
  return importlib.import_module(contestants.FRAMEWORKS[framework].module)


def _in_a_line(function: Any, *args: Any, **options: Any) -> Any:
  """Calls a function; whatever it raises becomes a line that can travel.

  A benchmark that lost one contestant still has the others to tell of, and
  what compilers and allocators raise has no common type.
  """
  try:
    return function(*args, **options)
  except Exception as error:
    lines = str(error).strip().splitlines() or ['']
    raise Failed(f'{type(error).__name__}: {lines[0]}'[:300]) from None
