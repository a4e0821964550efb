"""Line charts of the logged metrics against the step.

Uses Matplotlib's objects without pyplot, so no global state is read or changed:
charts may be drawn from any thread and beside a user's own figures.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, UInt8
from matplotlib import axes as mpl_axes
from matplotlib import figure as mpl_figure
from matplotlib import ticker
from matplotlib.backends import backend_agg

from vaegan_jax.core import metrics

Row = Mapping[str, Any]
Steps = Int[np.ndarray, ' rows']
Values = Float[np.ndarray, ' rows']
Picture = UInt8[np.ndarray, 'height width 3']
# A metric's name -> its values.
Lines = Mapping[str, Values]
Band = tuple[float, float]

DENSITY = 2  # pixels of a chart per CSS pixel: sharp on dense screens
_INK, _MUTED, _FAINT = '#1f2933', '#66717f', '#e4e7eb'
# Okabe and Ito's colours for the networks and Tol's for the cross entropies,
# which are distinct with any colour vision.
_COLOURS = {
  'encoder': '#009e73',
  'decoder': '#0072b2',
  'discriminator': '#d55e00',
  'real': '#004488',
  'generated': '#bb5566',
}
_MEDIANS = 400  # points of a running median, at most
_READINGS = 100  # places of a chart whose values can be read, at most
_TITLES = {metric.name: metric.title for metric in metrics.METRICS}


class Chart(NamedTuple):
  """A chart, and the places at which a pointer reads its values.

  Attributes:
    picture: of DENSITY pixels per CSS pixel.
    readings: from left to right.
  """

  picture: Picture
  readings: list[Reading]


class Reading(NamedTuple):
  """The values of a chart at a step.

  Attributes:
    left: where its column begins, in per cent of the width of the chart.
    width: of the column, likewise.
    lines: the step, then each value with its name.
  """

  left: float
  width: float
  lines: list[str]


def draw(rows: Sequence[Row], *, band: Band | None = None) -> dict[str, Chart]:
  """Draws a chart for each panel of the metrics that has a number.

  A thin line joins the values; a thick line is their running median. If a step
  was logged twice, as after a resumption, the later row counts.

  Args:
    rows: of metrics.jsonl.
    band: of cross entropies in nats, in which the equilibrium rule, if there is
      one, updates both Dis and Dec.

  Returns:
    the name of a panel -> chart.
  """
  return {
    panel.name: _chart(panel, steps, lines, band)
    for panel, steps, lines in _panels(rows)
  }


def describe(rows: Sequence[Row]) -> dict[str, str]:
  """Returns the alternative text of each chart, by the name of its panel."""
  texts = {}
  for panel, steps, lines in _panels(rows):
    ends = (
      f'{_TITLES[name]} from {finite[0]:.3g} to {finite[-1]:.3g}'
      for name, values in lines.items()
      for finite in [values[np.isfinite(values)]]
    )
    texts[panel.name] = (
      f'Line chart over steps {steps[0]:,} to {steps[-1]:,}. '
      f'{panel.title}: {"; ".join(ends)}.'
    )
  return texts


def update_share(steps: Steps, updates: Values) -> Values:
  """Returns the share of steps since the previous row that made an update.

  Args:
    steps: ascending; the first row counts from step 0.
    updates: the number so far at each of them.
  """
  since = np.diff(steps, prepend=0)
  return np.diff(updates, prepend=0.0) / np.where(since > 0, since, np.nan)


def running_median(
  values: Values, *, centres: Int[np.ndarray, ' n']
) -> Float[np.ndarray, ' n']:
  """Returns medians over a 25th of the run, centred at some of its rows.

  Windows shrink towards the ends, which keeps a steep start steep; with fewer
  than 50 rows each window is one row. NaN and infinity are left out; a window
  of nothing else gives NaN.
  """
  widest = len(values) // 50
  medians = []
  for i in centres.tolist():
    half = min(widest, max(widest // 2, min(i, len(values) - 1 - i)))
    near = values[max(0, i - half) : i + half + 1]
    near = near[np.isfinite(near)]
    medians.append(np.median(near) if len(near) else np.nan)
  return np.array(medians, np.float64)


def _panels(
  rows: Sequence[Row],
) -> Iterator[tuple[metrics.Panel, Steps, Lines]]:
  """Yields the panels that have a finite number, with their lines."""
  latest = {int(row['step']): row for row in rows}
  steps = np.array(sorted(latest), np.int64)
  for panel in metrics.panels(metrics.METRICS):
    lines = {
      m.name: np.array([latest[s].get(m.name) for s in steps.tolist()], float)
      for m in metrics.METRICS
      if m.panel == panel
    }
    if panel == metrics.SHARE_OF_UPDATES:
      lines = {name: update_share(steps, x) for name, x in lines.items()}
    lines = {name: x for name, x in lines.items() if np.isfinite(x).any()}
    if lines:
      yield panel, steps, lines


def _chart(
  panel: metrics.Panel, steps: Steps, lines: Lines, band: Band | None
) -> Chart:
  shown = [metric for metric in metrics.METRICS if metric.panel == panel]
  figure = mpl_figure.Figure(
    (4.4, 2.9), dpi=100 * DENSITY, layout='constrained'
  )
  axes = figure.add_subplot()
  unit = f', {shown[0].unit}' if shown[0].unit else ''
  _style(axes, panel.title + unit, last=int(steps[-1]))
  ends = {}
  if metrics.REAL in shown:
    ends['log 2', _MUTED] = _mark_equilibrium(axes, band)
  for label, colour, values in _merge(lines):
    end = _draw_line(axes, steps, values, colour)
    ends['' if len(shown) == 1 else label, colour] = end
  _scale(axes, np.stack(list(lines.values())), log=panel.log)
  if panel == metrics.SHARE_OF_UPDATES:
    axes.set_ylim(-0.04, 1.04)
    axes.yaxis.set_major_formatter(ticker.PercentFormatter(1))
  _label_ends(axes, ends)
  canvas = backend_agg.FigureCanvasAgg(figure)
  canvas.draw()
  picture = np.asarray(canvas.buffer_rgba())[..., :3].copy()
  box = axes.get_position()
  share = panel == metrics.SHARE_OF_UPDATES
  return Chart(
    picture,
    _readings(steps, lines, left=box.x0, width=box.width, percent=share),
  )


def _readings(
  steps: Steps, lines: Lines, *, left: float, width: float, percent: bool
) -> list[Reading]:
  """Returns the values of some rows, in columns that meet between them.

  Args:
    steps: of the rows; the axis begins at 0 and ends at the last.
    lines: their values.
    left: where the axis begins, as a fraction of the width of the chart.
    width: of the axis, likewise.
    percent: whether the values are shares.
  """
  last = len(steps) - 1
  chosen = np.unique(np.linspace(0, last, min(_READINGS, last + 1)).astype(int))
  at = steps[chosen]
  ends = np.concatenate([[0], (at[1:] + at[:-1]) / 2, [at[-1]]])
  places = 100 * (left + width * ends / max(int(at[-1]), 1))
  return [
    Reading(
      round(float(places[i]), 2),
      round(float(places[i + 1] - places[i]), 2),
      [f'step {steps[row]:,}']
      + [
        f'{_TITLES[name]} ' + (f'{x[row]:.1%}' if percent else f'{x[row]:.4g}')
        for name, x in lines.items()
      ],
    )
    for i, row in enumerate(chosen.tolist())
  ]


def _merge(lines: Lines) -> list[tuple[str, str, Values]]:
  """Merges equal lines, which would hide each other: label, colour, values."""
  groups: dict[bytes, list[str]] = {}
  for name, values in lines.items():
    groups.setdefault(values.tobytes(), []).append(name)
  return [
    (
      '\n'.join(_TITLES[name] for name in names),
      _COLOURS.get(_TITLES[names[0]], _INK) if len(names) == 1 else _INK,
      lines[names[0]],
    )
    for names in groups.values()
  ]


def _style(axes: mpl_axes.Axes, title: str, *, last: int) -> None:
  axes.set_title(title, loc='left', fontsize=10.5, color=_INK, pad=10)
  for side in ('top', 'right', 'left'):
    axes.spines[side].set_visible(False)
  axes.spines['bottom'].set_color(_MUTED)
  axes.grid(axis='y', color=_FAINT, linewidth=0.8)
  axes.set_axisbelow(True)
  axes.tick_params(colors=_MUTED, labelsize=8.5, length=0, which='both')
  axes.tick_params(axis='x', length=3, which='major')
  axes.set_xlim(0, max(last, 1))
  axes.xaxis.set_major_locator(ticker.MaxNLocator(5, integer=True))
  axes.xaxis.set_major_formatter(ticker.StrMethodFormatter('{x:,.0f}'))
  axes.set_xlabel('step', fontsize=8.5, color=_MUTED, loc='right')


def _mark_equilibrium(axes: mpl_axes.Axes, band: Band | None) -> float:
  if band is not None:
    axes.axhspan(*band, color='#f1f3f6', linewidth=0, zorder=0)
  guessing = math.log(2)
  axes.axhline(guessing, color=_MUTED, linewidth=0.9, linestyle=(0, (4, 3)))
  return guessing


def _draw_line(
  axes: mpl_axes.Axes, steps: Steps, values: Values, colour: str
) -> float:
  """Draws values and their running median; returns its last value."""
  axes.plot(steps, values, color=colour, linewidth=0.7, alpha=0.35)
  last = len(values) - 1
  centres = np.unique(np.linspace(0, last, min(_MEDIANS, last + 1)).astype(int))
  medians = running_median(values, centres=centres)
  axes.plot(
    steps[centres], medians, color=colour, linewidth=2, solid_capstyle='round'
  )
  return float(medians[np.isfinite(medians)][-1])


def _scale(axes: mpl_axes.Axes, values: np.ndarray, *, log: bool) -> None:
  """Uses a logarithmic axis on request, or if values span a factor of 50."""
  finite = values[np.isfinite(values)]
  wide = finite.min() > 0 and finite.max() > 50 * finite.min()
  if wide or (log and finite.min() > 0):
    axes.set_yscale('log')
  else:
    axes.yaxis.set_major_locator(ticker.MaxNLocator(5))
    axes.yaxis.set_major_formatter(ticker.StrMethodFormatter('{x:,.6g}'))
  if not np.isfinite(values).all():
    style: dict[str, Any] = {'fontsize': 8, 'color': '#b00020'}
    corner: dict[str, Any] = {'transform': axes.transAxes, 'ha': 'right'}
    axes.text(1, 1, 'gaps: NaN or infinity', va='top', **corner, **style)


def _label_ends(
  axes: mpl_axes.Axes, ends: Mapping[tuple[str, str], float]
) -> None:
  """Writes the label of each line at its end, without overlaps."""
  axes.autoscale_view()
  to_axes = axes.transData + axes.transAxes.inverted()
  heights = {
    end: float(to_axes.transform((0, value))[1]) for end, value in ends.items()
  }
  floor = -math.inf
  for (label, colour), height in sorted(heights.items(), key=lambda h: h[1]):
    half = 0.04 * (1 + label.count('\n'))
    height = max(height, floor + half)
    floor = height + half
    place: dict[str, Any] = {
      'xycoords': 'axes fraction',
      'textcoords': 'offset points',
    }
    style: dict[str, Any] = {'fontsize': 9, 'color': colour, 'va': 'center'}
    axes.annotate(label, (1, height), xytext=(6, 0), **place, **style)
