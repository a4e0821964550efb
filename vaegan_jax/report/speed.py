"""How fast a run was, from the rows of timing.jsonl."""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

Row = Mapping[str, Any]


class Speed(NamedTuple):
  """The speed of a run.

  Attributes:
    images_per_second: the median between two rows, so that neither compiling
      nor a checkpoint counts; from the start on if there is but one row.
    seconds: of training, all processes together.
    devices: the kinds that it ran on.
    processes: how often it was started.
  """

  images_per_second: float
  seconds: float
  devices: tuple[str, ...]
  processes: int


def summarise(timing: Sequence[Row], *, batch_size: int) -> Speed | None:
  """Computes the speed; None without rows.

  Args:
    timing: rows of 'step', 'seconds' since its process began to train,
      'images_per_second' since then, 'device'.
    batch_size: images a step.
  """
  if not timing:
    return None
  starts = [
    i
    for i in range(1, len(timing))
    if timing[i]['seconds'] < timing[i - 1]['seconds']
  ]
  edges = [0, *starts, len(timing)]
  processes = [timing[a:b] for a, b in itertools.pairwise(edges)]
  speeds = [
    batch_size * (b['step'] - a['step']) / (b['seconds'] - a['seconds'])
    for process in processes
    for a, b in itertools.pairwise(process)
    if b['seconds'] > a['seconds']
  ]
  return Speed(
    statistics.median(speeds or [timing[-1]['images_per_second']]),
    seconds=sum(process[-1]['seconds'] for process in processes),
    devices=tuple(dict.fromkeys(row['device'] for row in timing)),
    processes=len(processes),
  )


def duration(seconds: float) -> str:
  """Writes a time in its two largest units: '3 h 12 min'."""
  whole = round(seconds)
  days, hours = divmod(whole // 3600, 24)
  minutes = whole // 60 % 60
  if days:
    return f'{days} d {hours} h'
  if hours:
    return f'{hours} h {minutes} min'
  if minutes:
    return f'{minutes} min {whole % 60} s'
  return f'{seconds:.1f} s'
