"""How a run's time is spent: on steps, waiting for data, or on nothing.

Goodput is productive time over wall time since the run was first started.
Productive are the seconds between dispatches, less those in which the leading
host drew, saved, or made a batch that the devices waited for. The first
dispatch of each start compiles and counts for nothing, nor does a step that was
lost and done again.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

# The time since 1970 that no correction of the system's clock sets back.
_EPOCH = time.time() - time.monotonic()


def _since_1970() -> float:
  return _EPOCH + time.monotonic()


class Timer:
  """Divides the time of one start of a run.

  Args:
    step: the steps done.
    batch_size: images a step, over all hosts.
    productive: productive seconds of the starts before.
    began: when the run was first started, in seconds since 1970; now if None.
    now: gives the time.
  """

  def __init__(
    self,
    *,
    step: int,
    batch_size: int,
    productive: float = 0.0,
    began: float | None = None,
    now: Callable[[], float] = _since_1970,
  ):
    self._now = now
    self._start = now()
    self._began = min(self._start if began is None else began, self._start)
    self._batch_size = batch_size
    self._first = step
    self._productive = productive
    # Steps done, and the seconds they took: before the last advance, and now.
    self._before = self._latest = (step, 0.0)
    self._written = (step, 0.0)
    self._waited = self._paused = 0.0
    self._waits: np.ndarray | None = None

  @contextlib.contextmanager
  def waiting(self, idle: Callable[[], bool]) -> Iterator[None]:
    """Times the making of a batch, if the devices were through before it.

    Args:
      idle: says whether the devices have nothing left to do.
    """
    start = self._now()
    yield
    if idle():
      self._waited += self._now() - start

  @contextlib.contextmanager
  def pausing(self) -> Iterator[None]:
    """Times what is no training: drawing and saving."""
    start = self._now()
    yield
    self._paused += self._now() - start

  def waited(self) -> float:
    """Gives the seconds of waiting since this was last asked."""
    seconds, self._waited = self._waited, 0.0
    self._paused += seconds
    return seconds

  def heard(self, waits: Float[np.ndarray, ' hosts']) -> None:
    """Takes the seconds that each host says it has waited."""
    self._waits = waits + (0.0 if self._waits is None else self._waits)

  def advance(self, steps: int) -> None:
    """Notes that the devices have done a dispatch of so many more steps."""
    done, since = self._latest
    seconds = self._now() - self._start
    if done > self._first:
      self._productive += max(0.0, seconds - since - self._paused)
    self._paused = 0.0
    self._before, self._latest = self._latest, (done + steps, seconds)

  def row(self, step: int) -> dict[str, Any]:
    """Gives the row of a step of the last dispatch.

    Steps that were done together have taken equal parts of their time.

    Returns:
      'seconds' since this start; 'steps_per_second', 'images_per_second' and
      'images_per_second_per_host' since the row before, or since this start;
      'waiting', for each host the share of that time that it waited for data;
      'productive', the productive seconds of all starts, and 'goodput'.
    """
    (a, start), (b, end) = self._before, self._latest
    seconds = start + (end - start) * (step - a) / (b - a)
    done, since = self._written
    self._written = (step, seconds)
    taken = seconds - since
    speed = (step - done) / taken if taken > 0 else 0.0
    waits = [0.0] if self._waits is None else self._waits.tolist()
    self._waits = None
    images = speed * self._batch_size
    wall = self._start + end - self._began
    return {
      'step': step,
      'seconds': round(seconds, 3),
      'steps_per_second': round(speed, 4),
      'images_per_second': round(images, 2),
      'images_per_second_per_host': round(images / len(waits), 2),
      'waiting': [round(min(1.0, x / taken), 4) if taken else 0 for x in waits],
      'productive': round(self._productive, 3),
      'goodput': round(self._productive / wall, 4) if wall else 0.0,
    }


def history(
  starts: Sequence[Mapping[str, Any]], timing: Sequence[Mapping[str, Any]]
) -> dict[str, Any]:
  """Gives what a clock goes on from: 'productive' and 'began'.

  Args:
    starts: rows of 'time', one each time that the run was started.
    timing: rows of a clock, those of lost steps left out.
  """
  return {
    'productive': timing[-1].get('productive', 0.0) if timing else 0.0,
    'began': starts[0].get('time') if starts else None,
  }
