"""A process for each contestant, for its threads, memory and errors."""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import math
import multiprocessing
import os
import pathlib
import time
from collections.abc import Callable
from concurrent import futures
from concurrent.futures import process
from typing import Any

from benchmarks import contestants

# As in the Makefile: glibc keeps freed memory for the next step.
GLIBC_TUNABLES = (
  'glibc.malloc.hugetlb=1:glibc.malloc.mmap_max=0:'
  'glibc.malloc.trim_threshold=1099511627776:glibc.malloc.top_pad=67108864'
)

# A timed turn lasts at least so long: steps are queued, as in training, and
# the wait for the last of them is a small part.
_TURN_S = 0.1

# The first call compiles, and accelerators choose among their kernels.
_WARM_UPS = 3

_prepared: list[contestants.Prepared] = []


class Failed(RuntimeError):
  """Reports in one line why a contestant cannot be timed."""


class Runner:
  """A contestant in its own process. A call does a turn of several steps.

  Attributes:
    about: the numbers of `prepare`.
    steps: training steps in a turn.
    failure: why it failed; '' if it did not. After a failure turns are empty.
  """

  def __init__(self, name: str, *, size: int, batch: int):
    """Starts the process and prepares the contestant.

    Raises:
      Failed: for any error in the process.
    """
    # By default JAX takes most of a GPU's memory, and PyTorch finds none.
    os.environ.setdefault('XLA_PYTHON_CLIENT_PREALLOCATE', 'false')
    os.environ.setdefault('GLIBC_TUNABLES', GLIBC_TUNABLES)
    spawn = multiprocessing.get_context('spawn')
    self._pool = futures.ProcessPoolExecutor(1, spawn)
    self.close, self.failure = self._pool.shutdown, ''
    try:
      self.about = self._call(prepare, name, size=size, batch=batch)
      start = time.perf_counter()
      self._call(run, 1)
    except Failed:
      self.close()
      raise
    self._calls = math.ceil(_TURN_S / (time.perf_counter() - start))
    self.steps = self._calls * self.about.pop('steps')

  def __call__(self) -> None:
    """Does a turn."""
    if not self.failure:
      try:
        self._call(run, self._calls)
      except Failed as error:
        self.failure = str(error)

  def _call(self, function: Callable, *args: Any, **options: Any) -> Any:
    try:
      return self._pool.submit(_in_a_line, function, *args, **options).result()
    except process.BrokenProcessPool:
      raise Failed('its process ended, as when memory runs out') from None


def _in_a_line(function: Callable, *args: Any, **options: Any) -> Any:
  """Calls a function, and turns any error into a line that can be pickled."""
  try:
    return function(*args, **options)
  # Compilers' errors have no common type, and not all of them can be pickled.
  except Exception as error:
    lines = str(error).strip().splitlines() or ['']
    raise Failed(f'{type(error).__name__}: {lines[0]}'[:300]) from None


def prepare(name: str, *, size: int, batch: int) -> dict[str, Any]:
  """Prepares a contestant in this process, and warms it up.

  Returns Prepared.about with 'steps', 'device', 'measured_bytes' and, on a CPU,
  'temporary_bytes': the memory that a step takes and frees again.
  """
  contestant = contestants.CONTESTANTS[name]
  module = importlib.import_module(f'benchmarks.{contestant.module}')
  before = _resident('VmRSS')
  prepared = module.prepare(size, batch, **contestant.options)
  prepared.run(_WARM_UPS if prepared.device else 1)
  (prepared.forget or _forget_peak)()
  settled = _resident('VmRSS')
  prepared.run(1)
  _prepared.append(prepared)
  about = {**prepared.about, 'steps': prepared.steps, 'device': prepared.device}
  if prepared.allocated:
    about['measured_bytes'] = prepared.allocated()
  elif settled and not prepared.device:
    peak = _resident('VmHWM')
    about['measured_bytes'] = peak - before
    about['temporary_bytes'] = peak - settled
  return about


def run(calls: int) -> None:
  """Makes calls of the prepared contestant, and waits for the last one."""
  _prepared[0].run(calls)


def _resident(name: str) -> int:
  """Returns Linux's VmRSS (now) or VmHWM (peak) in bytes; elsewhere 0."""
  with contextlib.suppress(OSError):
    for line in pathlib.Path('/proc/self/status').read_text().splitlines():
      if line.startswith(f'{name}:'):
        return int(line.split()[1]) << 10
  return 0


def _forget_peak() -> None:
  """Resets VmHWM, and frees the memory that compiling left unused."""
  with contextlib.suppress(AttributeError):  # only glibc has it
    ctypes.CDLL(None).malloc_trim(0)
  with contextlib.suppress(OSError):
    pathlib.Path('/proc/self/clear_refs').write_text('5')
