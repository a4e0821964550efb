"""Times the contestants of a case and compares them."""

from __future__ import annotations

import contextlib
import math
import statistics
import sys
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks import contestants, timing, workers

Row = dict[str, Any]


class Case(NamedTuple):
  """A size in pixels a side, and images a step."""

  size: int
  batch: int

  def __str__(self) -> str:
    return f'{self.size}x{self.size}, batch {self.batch}'


def measure(
  names: Sequence[str], case: Case, *, rounds: int
) -> tuple[list[Row], dict[str, str]]:
  """Times contestants in alternation.

  Returns:
    a row for each, and the reasons of those that failed by name.
  """
  runners: dict[str, workers.Runner] = {}
  failed: dict[str, str] = {}
  with contextlib.ExitStack() as stack:
    for name in names:
      print(f'{case}: preparing {name}', file=sys.stderr, flush=True)
      try:
        runners[name] = workers.Runner(name, **case._asdict())
      except workers.Failed as error:
        failed[name] = str(error)
      else:
        stack.callback(runners[name].close)
    turns = timing.alternate(runners, rounds=rounds, warm_ups=0)
  rows = []
  for name, runner in runners.items():
    if runner.failure:
      failed[name] = runner.failure
    else:
      seconds = [turn / runner.steps for turn in turns[name]]
      rows.append(row(name, case, seconds=seconds, about=runner.about))
  return compare(rows), failed


def row(
  name: str, case: Case, *, seconds: list[float], about: Mapping[str, Any]
) -> Row:
  """Returns the numbers of a contestant.

  `seconds` are those of a step, by round, `about` those of `workers.prepare`.
  """
  median = statistics.median(seconds)
  row: Row = {'contestant': name, **case._asdict(), **about}
  row |= {'seconds': median, 'all_seconds': seconds}
  row['images_per_second'] = case.batch / median
  # JAX's pools on accelerators cannot be measured: XLA's plan stands for them.
  row.setdefault('measured_bytes', row.get('planned_bytes', 0))
  row['bytes_per_image'] = row['measured_bytes'] / case.batch
  row['temporary_bytes_per_image'] = row.get('temporary_bytes', 0) / case.batch
  return row


def compare(rows: list[Row]) -> list[Row]:
  """Adds the ratio to our time, and our number of operations."""
  for ours in [row for row in rows if row['contestant'] == contestants.OURS]:
    for row in rows:
      row['times_ours'] = row['seconds'] / ours['seconds']
      if contestants.CONTESTANTS[row['contestant']].equal:
        row['flops_per_second'] = ours['flops'] / row['seconds']
  return rows


def table(rows: Sequence[Row]) -> str:
  """Returns the rows of a case as a table for a terminal."""
  lines = [
    f'{"contestant":20} {"ms a step":>10} {"from-to":>17} {"images/s":>9} '
    f'{"times ours":>10} {"MB/image":>9} {"temporary":>9} {"TFLOP/s":>8}'
  ]
  for row in rows:
    least, most = (1e3 * f(row['all_seconds']) for f in (min, max))
    lines.append(
      f'{row["contestant"]:20} {1e3 * row["seconds"]:10.1f} '
      f'{f"{least:.1f}-{most:.1f}":>17} {row["images_per_second"]:9.1f} '
      f'{row.get("times_ours", math.nan):10.2f} '
      f'{row["bytes_per_image"] / 1e6:9.1f} '
      f'{row["temporary_bytes_per_image"] / 1e6:9.1f} '
      f'{row.get("flops_per_second", math.nan) / 1e12:8.3f}'
    )
  return '\n'.join(lines)
