"""Writes a run's records: its metrics, timing, starts and progress.

    metrics.jsonl   a row for each logged step: its metrics
    timing.jsonl    a row for each logged step: its speed and goodput
    starts.jsonl    a row for each start: its steps, time and machine
    tensorboard/    metrics and timing as TensorBoard events

metrics.jsonl holds only results, so those of two runs of one config can be
compared byte by byte.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import logging
import math
import os
import pathlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

from vaegan_jax.core import metrics
from vaegan_jax.data import progress_bar
from vaegan_jax.files import atomic

_LOGGER = logging.getLogger(__name__)

METRICS = 'metrics.jsonl'
TIMING = 'timing.jsonl'
STARTS = 'starts.jsonl'

# Someone may watch a run in TensorBoard; each flush waits for the disk.
_FLUSH_SECONDS = 10.0


def read_rows(path: pathlib.Path) -> list[dict[str, Any]]:
  """Reads JSON lines; [] if there is no file.

  Damaged lines are left out with a warning, unless it is the last one alone, of
  which a kill may leave a half.
  """
  if not path.exists():
    return []
  lines = path.read_text(encoding='utf-8', errors='replace').splitlines()
  rows = [_row(line) for line in lines]
  damaged = [i for i, row in enumerate(rows, 1) if row is None]
  if damaged and damaged != [len(lines)]:
    _LOGGER.warning(
      '%d of %d lines of %s are damaged and left out, the first is line %d.',
      len(damaged),
      len(lines),
      path,
      damaged[0],
    )
  return [row for row in rows if row is not None]


def _row(line: str) -> dict[str, Any] | None:
  try:
    row = json.loads(line)
  except (ValueError, RecursionError):
    return None
  whole = isinstance(row, dict) and isinstance(row.get('step'), int)
  return row if whole else None


def lengthenings(
  starts: Sequence[Mapping[str, Any]],
) -> list[tuple[int, int, int]]:
  """Returns where a run was lengthened, from the rows of starts.jsonl.

  Returns:
    the step at which it went on, its number of steps before, and after.
  """
  return [
    (after['step'], before['steps'], after['steps'])
    for before, after in itertools.pairwise(r for r in starts if 'steps' in r)
    if after['step'] and before['steps'] < after['steps']
  ]


class Records:
  """Owns the records of a run.

  Args:
    workdir: the run's folder.
    step: the steps done; rows of later steps, lost in a crash, are dropped.
    steps: the steps of the whole run.
    start: the row of this start, without 'step' and 'steps'.
  """

  def __init__(
    self,
    workdir: pathlib.Path,
    *,
    step: int,
    steps: int,
    start: Mapping[str, Any],
  ):
    workdir = pathlib.Path(workdir)
    for name in (METRICS, TIMING):
      _drop_rows(workdir / name, after=step)
    _drop_rows(workdir / STARTS)  # the half of a row that a kill may have left
    with (workdir / STARTS).open('a') as starts:
      _append(starts, {'step': step, 'steps': steps, **start})
    self._metrics = (workdir / METRICS).open('a')
    self._timing = (workdir / TIMING).open('a')
    self._workdir, self._first = workdir, step + 1
    self._bar = progress_bar.start(
      steps, label='training', unit='step', done=step
    )

  @functools.cached_property
  def _events(self) -> _Events:
    return _Events(self._workdir / 'tensorboard', first=self._first)

  def advance(self, steps: int) -> None:
    """Moves the progress bar by `steps`."""
    self._bar.update(steps)

  def write(
    self, values: Mapping[str, float], *, timing: Mapping[str, Any]
  ) -> None:
    """Writes the rows of a step; they outlive a kill of the process.

    Args:
      values: the step's metrics, by name.
      timing: the row of goodput.Timer, with 'step'.
    """
    step = timing['step']
    _append(self._metrics, {'step': step, **values})
    _append(self._timing, timing)
    timed = {name: timing[name] for name in ('images_per_second', 'goodput')}
    self._events.write({**values, **timed}, step=step)
    shown = [m.name for m in metrics.SUMMARY if m.name in values]
    self._bar.set_postfix_str(
      ', '.join(f'{name} {values[name]:.3g}' for name in shown), refresh=False
    )

  def sync(self) -> None:
    """Waits until the rows are on disk."""
    if '_events' in vars(self):
      self._events.flush()
    for file in (self._metrics, self._timing):
      os.fsync(file.fileno())

  def close(self) -> None:
    """Closes the files."""
    self._bar.close()
    with contextlib.ExitStack() as stack:
      stack.callback(self._timing.close)
      stack.callback(self._metrics.close)
      if '_events' in vars(self):
        stack.callback(self._events.close)


class _Events:
  """Writes TensorBoard events on the calling thread.

  tensorboardX.SummaryWriter writes on a thread of its own, which a full disk
  ends without a word; the next events then wait for it for ever.

  Args:
    folder: is made if it is missing.
    first: TensorBoard hides events of earlier starts from this step on.
  """

  def __init__(self, folder: pathlib.Path, *, first: int):
    # Imported here, as it imports PyTorch where that is installed.
    from tensorboardX import event_file_writer
    from tensorboardX.proto import event_pb2, summary_pb2

    folder.mkdir(exist_ok=True)
    self._event, self._summary = event_pb2.Event, summary_pb2.Summary
    self._writer = event_file_writer.EventsWriter(str(folder / 'events'))
    start = event_pb2.SessionLog(status=event_pb2.SessionLog.START)
    self._write(first, session_log=start)
    self._flushed = -math.inf

  def write(self, values: Mapping[str, float], *, step: int) -> None:
    """Writes the scalars of a step, and flushes from time to time."""
    rows = [{'tag': name, 'simple_value': x} for name, x in values.items()]
    self._write(step, summary=self._summary(value=rows))
    if time.monotonic() > self._flushed + _FLUSH_SECONDS:
      self.flush()

  def flush(self) -> None:
    self._writer.flush()
    self._flushed = time.monotonic()

  def close(self) -> None:
    self._writer.close()

  def _write(self, step: int, **content: Any) -> None:
    self._writer.write_event(
      self._event(wall_time=time.time(), step=step, **content)
    )


def _append(file: Any, row: Mapping[str, Any]) -> None:
  file.write(json.dumps(row) + '\n')
  file.flush()


def _drop_rows(path: pathlib.Path, *, after: float = math.inf) -> None:
  """Keeps the whole rows up to a step."""
  if path.exists():
    kept = [row for row in read_rows(path) if row['step'] <= after]
    atomic.write_text(path, ''.join(json.dumps(row) + '\n' for row in kept))
