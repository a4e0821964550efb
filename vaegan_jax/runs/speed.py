"""The speed of a run, from the rows of timing.jsonl and starts.jsonl."""

from __future__ import annotations

import bisect
import itertools
import math
import pathlib
import statistics
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from vaegan_jax.runs import records

Row = Mapping[str, Any]


class Speed(NamedTuple):
  """The speed of a run.

  Attributes:
    images_per_second: the median between two rows, which excludes compilation
      and checkpoints; from the start of training if there is one row.
    seconds: of training, summed over the starts that logged a row.
    devices: the kinds of device that the run used.
    starts: the number of starts.
    waiting: the mean share of time that devices waited for a batch, for each
      host of the last start.
    goodput: productive time divided by wall time since the first start.
  """

  images_per_second: float
  seconds: float
  devices: tuple[str, ...]
  starts: int
  waiting: tuple[float, ...] = ()
  goodput: float | None = None


def read(
  workdir: pathlib.Path, *, batch_size: int, last: float = math.inf
) -> Speed | None:
  """Returns the speed of a run up to a step; None if nothing was timed."""
  timing = records.read_rows(workdir / records.TIMING)
  return summarise(
    [row for row in timing if row['step'] <= last],
    records.read_rows(workdir / records.STARTS),
    batch_size=batch_size,
  )


def summarise(
  timing: Sequence[Row], starts: Sequence[Row], *, batch_size: int
) -> Speed | None:
  """Returns the speed of a run; None if there are no rows of timing.

  Args:
    timing: rows of timing.jsonl.
    starts: rows of starts.jsonl.
    batch_size: of the run.
  """
  if not timing:
    return None
  # The seconds of a row count from the start of its process.
  begun = sorted({start['step'] for start in starts})
  parts = [
    list(rows)
    for _, rows in itertools.groupby(
      timing, lambda row: bisect.bisect_left(begun, row['step'])
    )
  ]
  speeds = [
    batch_size * (b['step'] - a['step']) / (b['seconds'] - a['seconds'])
    for rows in parts
    for a, b in itertools.pairwise(rows)
    if b['seconds'] > a['seconds']
  ]
  return Speed(
    statistics.median(speeds or [timing[-1]['images_per_second']]),
    seconds=sum(rows[-1]['seconds'] for rows in parts),
    devices=tuple(dict.fromkeys(row['device'] for row in timing)),
    starts=len(starts),
    waiting=_waiting(parts[-1]),
    goodput=timing[-1].get('goodput'),
  )


def _waiting(timing: Sequence[Row]) -> tuple[float, ...]:
  # The first row includes the wait for the first batch, which is unavoidable.
  rows = [row.get('waiting', ()) for row in timing[1:] or timing]
  if len({len(row) for row in rows}) != 1:
    return ()
  return tuple(statistics.fmean(host) for host in zip(*rows, strict=True))


def duration(seconds: float) -> str:
  """Formats a time in its two largest units: '3 h 12 min'."""
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
