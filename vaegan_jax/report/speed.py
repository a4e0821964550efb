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
    starts: how often it was started.
    waiting: for each host of the last start the share of the time that its
      devices waited for a batch, averaged over its rows.
    goodput: productive time over wall time since the first start; None of a
      run whose rows do not tell.
  """

  images_per_second: float
  seconds: float
  devices: tuple[str, ...]
  starts: int
  waiting: tuple[float, ...] = ()
  goodput: float | None = None


def summarise(timing: Sequence[Row], *, batch_size: int) -> Speed | None:
  """Computes the speed; None without rows.

  Args:
    timing: rows of 'step', 'seconds' since its process began to train,
      'images_per_second', 'device', and what else clock.Clock.row gives.
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
    starts=len(processes),
    waiting=_waiting(processes[-1]),
    goodput=timing[-1].get('goodput'),
  )


def _waiting(timing: Sequence[Row]) -> tuple[float, ...]:
  # The first row has the wait for the first batch, which nothing can hide.
  rows = [row.get('waiting', ()) for row in timing[1:] or timing]
  shares = (
    zip(*rows, strict=True) if len({len(row) for row in rows}) == 1 else ()
  )
  return tuple(statistics.fmean(host) for host in shares)


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
