"""What a run writes besides checkpoints: metrics, timing, progress.

    metrics.jsonl   a row for each logged step: what was computed
    timing.jsonl    a row for each logged step: how long it took
    starts.jsonl    a row for each start: when, and on what
    tensorboard/    the same numbers as events

metrics.jsonl holds nothing but results, so that two runs of one config can be
compared byte by byte.
"""

from __future__ import annotations

import functools
import json
import os
import pathlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import tqdm

from vaegan_jax.files import atomic

if TYPE_CHECKING:
  import tensorboardX

METRICS = 'metrics.jsonl'
TIMING = 'timing.jsonl'
STARTS = 'starts.jsonl'

def read_rows(path: pathlib.Path) -> list[dict[str, Any]]:
  """Reads JSON lines up to the first that is not whole; none if no file."""
  rows: list[dict[str, Any]] = []
  if not path.exists():
    return rows
  text = path.read_text(encoding='utf-8', errors='replace')
  for line in text.splitlines():
    try:
      row = json.loads(line)
    except (ValueError, RecursionError):  # a kill may leave half a row
      break
    if not isinstance(row, dict) or not isinstance(row.get('step'), int):
      break
    rows.append(row)
  return rows


class Records:
  """Owns the files that grow with a run.

  Args:
    workdir: the run's folder.
    step: the steps done; rows of later ones, from before a crash, are dropped.
    steps: of the whole run, for the progress bar.
    start: what is to be said of this start, beside its step.
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
    with (workdir / STARTS).open('a') as starts:
      _append(starts, {'step': step, **start})
    self._metrics = (workdir / METRICS).open('a')
    self._timing = (workdir / TIMING).open('a')
    self._workdir, self._first = workdir, step + 1
    self._bar = tqdm.tqdm(
      total=steps, initial=step, desc='training', unit='step', smoothing=0.1
    )

  @functools.cached_property
  def _events(self) -> tensorboardX.SummaryWriter:
    # Late, because it imports PyTorch where that is installed.
    import tensorboardX

    return tensorboardX.SummaryWriter(
      str(self._workdir / 'tensorboard'), purge_step=self._first
    )

  def advance(self, steps: int) -> None:
    """Moves the progress bar by steps that are done."""
    self._bar.update(steps)

  def write(
    self, metrics: Mapping[str, float], *, timing: Mapping[str, Any]
  ) -> None:
    """Writes the rows of a step, with the system before it returns.

    Args:
      metrics: what was computed.
      timing: 'step', and how long it took.
    """
    step = timing['step']
    _append(self._metrics, {'step': step, **metrics})
    _append(self._timing, timing)
    timed = ('images_per_second', 'goodput')
    for name, value in {**metrics, **{n: timing[n] for n in timed}}.items():
      self._events.add_scalar(name, value, step)
    shown = [name for name in ('prior', 'llike', 'real') if name in metrics]
    self._bar.set_postfix_str(
      ', '.join(f'{name} {metrics[name]:.3g}' for name in shown), refresh=False
    )

  def sync(self) -> None:
    """Waits until the rows are on disk."""
    for file in (self._metrics, self._timing):
      os.fsync(file.fileno())

  def close(self) -> None:
    """Closes the files."""
    self._bar.close()
    if '_events' in vars(self):
      self._events.close()
    self._metrics.close()
    self._timing.close()


def _append(file: Any, row: Mapping[str, Any]) -> None:
  file.write(json.dumps(row) + '\n')
  file.flush()


def _drop_rows(path: pathlib.Path, *, after: int) -> None:
  """Keeps the whole rows up to a step."""
  if path.exists():
    kept = [row for row in read_rows(path) if row['step'] <= after]
    atomic.write_text(path, ''.join(json.dumps(row) + '\n' for row in kept))
