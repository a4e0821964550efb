"""Draws images a second: a panel for each size and batch."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import Any

_COLOURS = {'ours': '#1b6ca8', 'torch': '#e07b39', 'pythae': '#7a7a7a'}


def draw(
  rows: Sequence[dict[str, Any]], path: pathlib.Path, *, machine: str
) -> None:
  """Writes a picture: bars are medians, lines the range over the rounds.

  Args:
    rows: as `measurements.measure` returns them.
    path: the file.
    machine: in words.
  """
  # Not above: the processes that are timed import this module too.
  from matplotlib import figure as figures

  cases: dict[str, list[dict[str, Any]]] = {}
  for row in rows:
    title = f'{row["size"]}x{row["size"]} pixels, batch {row["batch"]}'
    cases.setdefault(title, []).append(row)
  height = 0.32 * len(rows) + 0.5 * len(cases) + 0.9
  figure = figures.Figure(figsize=(8, height), layout='constrained')
  panels = figure.subplots(len(cases), squeeze=False)[:, 0]
  for axes, (title, group) in zip(panels, cases.items(), strict=True):
    _panel(axes, group)
    axes.set_title(title, loc='left', fontsize=9)
  panels[-1].set_xlabel('images a second: median of the rounds, and range')
  figure.suptitle(f'One training step of the reference\n{machine}', fontsize=10)
  figure.savefig(path, dpi=150)


def _panel(axes: Any, rows: Sequence[dict[str, Any]]) -> None:
  names = [row['contestant'] for row in rows]
  rates = [row['images_per_second'] for row in rows]
  lows = [row['batch'] / max(row['all_seconds']) for row in rows]
  highs = [row['batch'] / min(row['all_seconds']) for row in rows]
  colours = [_COLOURS[name.partition('-')[0]] for name in names]
  bars = axes.barh(names, rates, color=colours)
  axes.bar_label(bars, fmt='%.4g', padding=12, fontsize=8)
  axes.hlines(names, lows, highs, color='#333333', linewidth=1)
  axes.invert_yaxis()
  axes.margins(x=0.12)
  axes.tick_params(labelsize=8)
  axes.spines[['top', 'right']].set_visible(False)
