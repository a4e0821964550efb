"""Measures where the wall time of a run goes: its speed and its goodput.

Goodput is productive time over wall time since the run was first started. The
productive time is that between dispatches, without the seconds in which the
primary process drew pictures, saved, or made a batch that the devices waited
for. The first dispatch of each start compiles and is not productive; neither is
a step that was lost and is repeated.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

# Added to monotonic time, which no clock correction sets back.
_EPOCH = time.time() - time.monotonic()


def _now() -> float:
  return _EPOCH + time.monotonic()


class Timer:
  """Measures one start of a run.

  Args:
    step: the steps done before.
    batch_size: images a step, over all hosts.
    productive: productive seconds of earlier starts.
    began: when the run was first started, in seconds since 1970; None is now.
    now: returns the time in seconds since 1970.
  """

  def __init__(
    self,
    *,
    step: int,
    batch_size: int,
    productive: float = 0.0,
    began: float | None = None,
    now: Callable[[], float] = _now,
  ):
    self._now = now
    self._start = now()
    self._began = min(self._start if began is None else began, self._start)
    self._batch_size = batch_size
    self._first_step = step
    self._productive = productive
    # Steps done and the seconds since the start: before and after the last
    # dispatch, and at the last row.
    self._before = self._after = self._last_row = (step, 0.0)
    self._wait = self._unproductive = 0.0
    self._host_waits: np.ndarray | None = None

  @contextlib.contextmanager
  def batch(self, is_idle: Callable[[], bool]) -> Iterator[None]:
    """Times the making of a batch, if the devices are idle at its end."""
    start = self._now()
    yield
    if is_idle():
      self._wait += self._now() - start

  @contextlib.contextmanager
  def pause(self) -> Iterator[None]:
    """Times what is not training: drawing and saving."""
    start = self._now()
    yield
    self._unproductive += self._now() - start

  def pop_wait(self) -> float:
    """Returns the seconds that the devices waited since the last call."""
    seconds, self._wait = self._wait, 0.0
    self._unproductive += seconds
    return seconds

  def add_host_waits(self, waits: Float[np.ndarray, ' hosts']) -> None:
    """Adds the seconds that the devices of each host waited."""
    self._host_waits = waits + (
      0.0 if self._host_waits is None else self._host_waits
    )

  def advance(self, steps: int) -> None:
    """Records that the devices have finished a dispatch of so many steps."""
    done, since = self._after
    seconds = self._now() - self._start
    if done > self._first_step:
      self._productive += max(0.0, seconds - since - self._unproductive)
    self._unproductive = 0.0
    self._before, self._after = self._after, (done + steps, seconds)

  def row(self, step: int) -> dict[str, Any]:
    """Returns the row of a step of the last dispatch.

    The steps of a dispatch share its time equally.

    Returns:
      'seconds' since this start; 'steps_per_second', 'images_per_second' and
      'images_per_second_per_host' since the previous row, or since this start;
      'waiting', the share of that time in which the devices of each host
      waited; 'productive', the productive seconds of all starts; 'goodput'.
    """
    (a, start), (b, end) = self._before, self._after
    seconds = start + (end - start) * (step - a) / (b - a)
    done, since = self._last_row
    self._last_row = (step, seconds)
    taken = seconds - since
    speed = (step - done) / taken if taken > 0 else 0.0
    waits = [0.0] if self._host_waits is None else self._host_waits.tolist()
    self._host_waits = None
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
  """Returns a Timer's arguments 'productive' and 'began' for a resumed run.

  Args:
    starts: a row with the 'time' of each start.
    timing: the rows of earlier timers, without those of lost steps.
  """
  return {
    'productive': timing[-1].get('productive', 0.0) if timing else 0.0,
    'began': starts[0].get('time') if starts else None,
  }
