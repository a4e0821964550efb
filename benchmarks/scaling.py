"""Draws how plans scale with the number of chips, and tabulates them.

python -m benchmarks.scaling PLAN.json... --picture=docs/images/scaling_v5e.png

The files are those of `python -m experiments.plan --output`. Plans of equal
images a chip show weak scaling, those of an equal batch strong scaling.
"""

from __future__ import annotations

import collections
import json
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

from absl import app, flags

_PICTURE = flags.DEFINE_string('picture', None, 'A file for the picture (PNG).')

Row = dict[str, Any]

_COLUMNS: dict[str, Callable[[Row], str]] = {
  'chips': lambda row: str(row['chips']),
  'batch': lambda row: f'{row["batch_size"]:,}',
  'a chip': lambda row: f'{row["batch_size"] // row["chips"]}',
  'memory, GB': lambda row: f'{row["memory"]["total"] / 1e9:.2f}',
  'GFLOP': lambda row: f'{row["flops"] / 1e9:,.0f}',
  'HBM, GB': lambda row: f'{_hbm(row) / 1e9:.2f}',
  'sent, MB': lambda row: f'{row["collective_bytes_sent"] / 1e6:.0f}',
  'computing, ms': lambda row: _ms(row, 'compute'),
  'HBM, ms': lambda row: _ms(row, 'memory'),
  'exchange, ms': lambda row: _ms(row, 'exchange'),
  'step, ms': lambda row: _ms(row, 'total'),
  'images/s': lambda row: f'{row["images_per_second"]:,.0f}',
}


def main(argv: list[str]) -> None:
  """Prints a table, and writes the picture."""
  rows = [json.loads(pathlib.Path(path).read_text()) for path in argv[1:]]
  if not rows:
    raise app.UsageError('name the files of some plans')
  rows.sort(key=lambda row: (row['chips'], row['batch_size']))
  print(table(rows))
  if _PICTURE.value:
    draw(rows, pathlib.Path(_PICTURE.value))


def table(rows: Sequence[Row]) -> str:
  """Writes plans as a table of Markdown."""
  lines = [list(_COLUMNS), ['---:'] * len(_COLUMNS)]
  lines += [[write(row) for write in _COLUMNS.values()] for row in rows]
  return '\n'.join(f'| {" | ".join(cells)} |' for cells in lines)


def curves(rows: Sequence[Row]) -> dict[str, list[Row]]:
  """Gathers the plans that differ only in the number of chips, by name."""
  found = collections.defaultdict(list)
  for row in sorted(rows, key=lambda row: row['chips']):
    found[f'weak: {row["batch_size"] // row["chips"]} images a chip'].append(
      row
    )
    found[f'strong: {row["batch_size"]} images'].append(row)
  return {name: group for name, group in found.items() if len(group) > 1}


def efficiency(rows: Sequence[Row]) -> list[float]:
  """Gives images a second and chip over those of the fewest chips."""
  each = [row['images_per_second'] / row['chips'] for row in rows]
  return [rate / each[0] for rate in each]


def draw(rows: Sequence[Row], path: pathlib.Path) -> None:
  """Writes a picture: images a second, and what is lost by exchange."""
  # Not above: a table needs no figure.
  from matplotlib import figure as figures

  figure = figures.Figure(figsize=(9, 3.6), layout='constrained')
  rates, losses = figure.subplots(1, 2)
  for name, group in curves(rows).items():
    chips = [row['chips'] for row in group]
    rate = [row['images_per_second'] for row in group]
    rates.plot(chips, rate, marker='o', label=name)
    losses.plot(chips, efficiency(group), marker='o', label=name)
    ideal = [rate[0] * count / chips[0] for count in chips]
    rates.plot(chips, ideal, color='#999999', linewidth=1, linestyle=':')
  rates.set(yscale='log', ylabel='images a second')
  losses.set(ylim=(0, 1.05), ylabel='images a second and chip, relative')
  counts = sorted({row['chips'] for row in rows})
  for axes in (rates, losses):
    axes.set_xscale('log', base=2)
    axes.set_xticks(counts, [str(count) for count in counts])
    axes.set_xlabel('chips')
    axes.spines[['top', 'right']].set_visible(False)
    axes.legend(fontsize=8, frameon=False)
  kind = rows[0]['topology'].partition(':')[0]
  figure.suptitle(
    f'Predicted by a roofline from compiled programs, not measured: {kind}; '
    'dotted: in proportion to the chips',
    fontsize=9,
  )
  figure.savefig(path, dpi=150)


def _hbm(row: Row) -> float:
  return row['hbm_bytes'] + row['feed_hbm_bytes']


def _ms(row: Row, part: str) -> str:
  return f'{1e3 * row["least_seconds"][part]:.2f}'


if __name__ == '__main__':
  app.run(main)
