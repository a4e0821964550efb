"""Tabulates plans, such as those for different numbers of chips.

python -m benchmarks.scaling PLAN.json...

The files are written by `python -m experiments.plan --output`. Plans of equal
images a chip show weak scaling, plans of an equal batch strong scaling.
"""

from __future__ import annotations

import json
import pathlib
from collections.abc import Sequence
from typing import Any

from absl import app

Row = dict[str, Any]


def main(argv: list[str]) -> None:
  """Prints a table."""
  rows = [json.loads(pathlib.Path(path).read_text()) for path in argv[1:]]
  if not rows:
    raise app.UsageError('give the files of some plans')
  print(table(rows))


def table(rows: Sequence[Row]) -> str:
  """Returns plans, by chips and batch, as a table in Markdown."""
  ordered = sorted(rows, key=lambda row: (row['chips'], row['batch_size']))
  cells = [_cells(row) for row in ordered]
  lines = [list(cells[0]), ['---:'] * len(cells[0])]
  lines += [list(each.values()) for each in cells]
  return '\n'.join(f'| {" | ".join(line)} |' for line in lines)


def _cells(row: Row) -> dict[str, str]:
  least = row['least_seconds']
  return {
    'chips': str(row['chips']),
    'batch': f'{row["batch_size"]:,}',
    'a chip': str(row['batch_size'] // row['chips']),
    'memory, GB': f'{row["memory"]["total"] / 1e9:.2f}',
    'GFLOP': f'{row["flops"] / 1e9:,.0f}',
    'HBM, GB': f'{row["hbm_bytes"] / 1e9:.2f}',
    'sent, MB': f'{row["collective_bytes_sent"] / 1e6:.0f}',
    'computing, ms': f'{1e3 * least["compute"]:.2f}',
    'HBM, ms': f'{1e3 * least["memory"]:.2f}',
    'exchange, ms': f'{1e3 * least["exchange"]:.2f}',
    'step, ms': f'{1e3 * least["total"]:.2f}',
    'images/s': f'{row["images_per_second"]:,.0f}',
  }


if __name__ == '__main__':
  app.run(main)
