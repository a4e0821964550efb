"""A contestant's process, as the one that times it sees it.

A process of its own keeps one framework's threads, memory and mistakes from
the others. On an accelerator the contestants of a framework share one, since
what a framework took of the device it keeps.
"""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from concurrent.futures import process
from typing import Any

from benchmarks import host
from experiments import memory

# A timed turn lasts at least so long: steps are queued, as in training, and
# waiting for the last of them does not count as work.
_TURN_S = 0.1


class Worker:
  """Owns a process."""

  def __init__(self):
    # Else JAX takes most of a GPU's memory, and PyTorch finds none.
    os.environ.setdefault('XLA_PYTHON_CLIENT_PREALLOCATE', 'false')
    memory.keep_in_children()
    self._pool = futures.ProcessPoolExecutor(
      1, multiprocessing.get_context('spawn')
    )

  def call(self, function: Callable, *args: Any, **options: Any) -> Any:
    """Calls a function of `host` in the process, and waits.

    Raises:
      host.Failed: if it fails, or the process ends.
    """
    try:
      return self._pool.submit(function, *args, **options).result()
    except process.BrokenProcessPool:
      raise host.Failed('its process ended, as when memory runs out') from None

  def close(self) -> None:
    """Ends the process."""
    self._pool.shutdown()


@contextlib.contextmanager
def opened() -> Iterator[Worker]:
  """Owns a worker for a while."""
  worker = Worker()
  try:
    yield worker
  finally:
    worker.close()


class Runner:
  """A prepared contestant: called, it does its turn.

  Attributes:
    about: what `host.prepare` told of a step.
    steps: in a turn.
    failure: why it failed; '' while it has not. From then on turns are idle.
  """

  def __init__(self, worker: Worker, name: str, *, size: int, batch: int):
    """Prepares it; the arguments are those of `host.prepare`.

    Raises:
      host.Failed: if that fails.
    """
    self._worker, self._name = worker, name
    self.about = worker.call(host.prepare, name, size=size, batch=batch)
    self.failure = ''
    self._calls = 1
    start = time.perf_counter()
    worker.call(host.run, name, 1)
    self._calls = math.ceil(_TURN_S / (time.perf_counter() - start))
    self.steps = self._calls * self.about.pop('steps')

  def __call__(self) -> None:
    """Does a turn."""
    if self.failure:
      return
    try:
      self._worker.call(host.run, self._name, self._calls)
    except host.Failed as error:
      self.failure = str(error)
