"""Times -> rows to write and to read."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks import contestants, race, timing

Row = dict[str, Any]
# Of memory, in bytes: the first is preferred.
_MEMORY = ('measured_bytes', 'planned_bytes')


def rows(
  timed: Sequence[race.Timed], ceilings: Mapping[str, float]
) -> list[Row]:
  """Makes a row of each contestant's times in a case.

  Args:
    timed: of one case.
    ceilings: the machine's rates by name; see `ceilings`.
  """
  ours = next((t for t in timed if t.name == contestants.OURS), None)
  return [_row(each, ours, ceilings) for each in timed]


def _row(
  timed: race.Timed, ours: race.Timed | None, ceilings: Mapping[str, float]
) -> Row:
  contestant = contestants.CONTESTANTS[timed.name]
  case, about = timed.case, timed.about
  median = timing.median(list(timed.seconds))
  row: Row = {
    'contestant': timed.name,
    'label': contestant.label,
    'size': case.size,
    'batch': case.batch,
    'seconds': median,
    'all_seconds': list(timed.seconds),
    'steps_a_time': timed.steps,
    'images_per_second': case.batch / median,
  }
  # On accelerators a framework that has pools cannot be measured in them.
  row |= {kind: about[kind] for kind in _MEMORY if kind in about}
  held = next((row[kind] for kind in _MEMORY if kind in row), None)
  if held is not None:
    row['bytes_per_image'] = held / case.batch
  # Of what a step takes and gives back: neither the state nor the program.
  if 'temporary_bytes' in about:
    row['temporary_bytes_per_image'] = about['temporary_bytes'] / case.batch
  if ours is not None:
    row['times_ours'] = median / timing.median(list(ours.seconds))
  # Equal work has our count, whoever does it.
  flops = ours.about.get('flops') if ours and contestant.equal else None
  if flops:
    rate = flops / median
    row |= {'flops': flops, 'flops_per_second': rate}
    if contestant.dtype in ceilings:
      row['of_matrix_product'] = rate / ceilings[contestant.dtype]
  if 'bytes_moved' in about:
    rate = about['bytes_moved'] / median
    row |= {
      'bytes_moved': about['bytes_moved'],
      'of_copy': rate / ceilings['copy'],
    }
  return row


def table(rows: Sequence[Row]) -> str:
  """Writes the rows of a case for a terminal."""
  lines = [' '.join(f'{n:{a}{w}}' for n, (a, w, _) in _COLUMNS.items())]
  for row in rows:
    cells = (_cell(row, *column) for column in _COLUMNS.values())
    lines.append(' '.join(cells))
  return '\n'.join(lines)


def missing(lacks: Sequence[race.Missing]) -> list[Row]:
  """Makes a row of each contestant without times."""
  return [dataclasses.asdict(lack) for lack in lacks]


def reason(lack: Row) -> str:
  """Writes a row of `missing` as a line."""
  what = 'failed' if lack['failed'] else 'left out'
  case = lack['case']
  where = f' ({race.Case(**case)})' if case else ''
  return f'{what}: {lack["name"]}{where}: {lack["why"]}'


def _cell(row: Row, side: str, width: int, write: Callable[[Row], str]) -> str:
  """Writes what a row has of a column, or a dash."""
  try:
    text = write(row)
  except KeyError:
    text = '-'
  return f'{text:{side}{width}}'


def _spread(row: Row) -> str:
  seconds = row['all_seconds']
  return f'{1e3 * min(seconds):.1f}-{1e3 * max(seconds):.1f}'


# Of the table: side, width, and what it says of a row.
_COLUMNS: dict[str, tuple[str, int, Callable[[Row], str]]] = {
  'contestant': ('<', 28, lambda row: row['contestant']),
  'ms a step': ('>', 10, lambda row: f'{1e3 * row["seconds"]:.1f}'),
  'from-to': ('>', 17, _spread),
  'images/s': ('>', 9, lambda row: f'{row["images_per_second"]:.1f}'),
  'times ours': ('>', 10, lambda row: f'{row["times_ours"]:.2f}'),
  'MB/image': ('>', 8, lambda row: f'{row["bytes_per_image"] / 1e6:.1f}'),
  'temporary': (
    '>',
    9,
    lambda row: f'{row["temporary_bytes_per_image"] / 1e6:.1f}',
  ),
  'TFLOP/s': ('>', 8, lambda row: f'{row["flops_per_second"] / 1e12:.3f}'),
  'of product': ('>', 10, lambda row: f'{row["of_matrix_product"]:.0%}'),
  'of copy': ('>', 8, lambda row: f'{row["of_copy"]:.0%}'),
}
