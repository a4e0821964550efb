"""Draws images a second, a panel for each size and batch."""

from __future__ import annotations

import itertools
import pathlib
from collections.abc import Sequence
from typing import Any

_COLOURS = {'ours': '#1b6ca8', 'torch': '#e07b39', 'pythae': '#7a7a7a'}


def draw(
  rows: Sequence[dict[str, Any]], path: pathlib.Path, *, machine: str
) -> None:
  """Writes a picture: bars are medians, lines the range over the rounds.

  Args:
    rows: as `results.rows` makes them, of one case after the other.
    path: of the file.
    machine: in words.
  """
  # Not above: the processes that are timed import this module too.
  from matplotlib import figure as figures

  cases = [
    list(group)
    for _, group in itertools.groupby(
      rows, key=lambda row: (row['size'], row['batch'])
    )
  ]
  heights = [len(case) + 1.6 for case in cases]
  figure = figures.Figure(
    figsize=(8, 0.32 * sum(heights) + 0.9), layout='constrained'
  )
  panels = figure.subplots(len(cases), squeeze=False, height_ratios=heights)
  for axes, case in zip(panels[:, 0], cases, strict=True):
    _panel(axes, case)
  panels[-1, 0].set_xlabel(
    'training images a second: median of the rounds, and their range'
  )
  figure.suptitle(f'One training step of the reference\n{machine}', fontsize=10)
  figure.savefig(path, dpi=150)


def _panel(axes: Any, rows: Sequence[dict[str, Any]]) -> None:
  names = [row['contestant'] for row in rows]
  rates = [row['images_per_second'] for row in rows]
  ranges = [
    (
      row['images_per_second'] - row['batch'] / max(row['all_seconds']),
      row['batch'] / min(row['all_seconds']) - row['images_per_second'],
    )
    for row in rows
  ]
  axes.barh(
    names,
    rates,
    xerr=list(zip(*ranges, strict=True)),
    color=[_COLOURS[name.partition('-')[0]] for name in names],
    error_kw={'elinewidth': 1, 'ecolor': '#333333'},
  )
  tops = [rate + high for rate, (_, high) in zip(rates, ranges, strict=True)]
  for place, (rate, top) in enumerate(zip(rates, tops, strict=True)):
    text = f'  {rate:,.0f}' if rate >= 100 else f'  {rate:.1f}'
    axes.text(top, place, text, va='center', fontsize=8)
  axes.set_xlim(0, 1.12 * max(tops))
  axes.invert_yaxis()
  axes.tick_params(labelsize=8)
  axes.spines[['top', 'right']].set_visible(False)
  row = rows[0]
  axes.set_title(
    f'{row["size"]}x{row["size"]} pixels, batch {row["batch"]}',
    loc='left',
    fontsize=9,
  )
