"""Curves of a run: every logged number against the step.

Matplotlib's objects only, no pyplot: nothing global is read or changed, so
curves may be drawn beside a user's own figures, and from any thread.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int, UInt8
from matplotlib import axes as mpl_axes
from matplotlib import figure as mpl_figure
from matplotlib import ticker
from matplotlib.backends import backend_agg

Row = Mapping[str, Any]
Steps = Int[np.ndarray, ' rows']
Values = Float[np.ndarray, ' rows']
Picture = UInt8[np.ndarray, 'height width 3']

NETWORKS = ('encoder', 'decoder', 'discriminator')

# Pixels of a picture a CSS pixel: sharp on dense screens.
DENSITY = 2
_INCHES = (4.4, 2.9)
_INK, _MUTED, _FAINT = '#1f2933', '#66717f', '#e4e7eb'
# Okabe and Ito's colours for the networks, Tol's for the two cross entropies:
# told apart whatever one's colour vision.
_COLOURS = {
  'encoder': '#009e73',
  'decoder': '#0072b2',
  'discriminator': '#d55e00',
  'real': '#004488',
  'generated': '#bb5566',
}
_MEDIANS = 400  # points of a running median, at most


@dataclasses.dataclass(frozen=True)
class _Panel:
  """One figure: `keys` of the rows, each with the label of its line."""

  title: str
  lines: Mapping[str, str]
  log: bool = False


_PANELS = {
  'discriminator': _Panel(
    'Cross entropies of Dis, nats',
    {'real': 'real', 'generated': 'generated'},
  ),
  'generation': _Panel('Generation: L_GAN in Dec, nats', {'generation': ''}),
  'prior': _Panel('Prior: KL from N(0, I), nats', {'prior': ''}),
  'llike': _Panel('Llike: half squared distance', {'llike': ''}),
  'active_dimensions': _Panel(
    'Latent dimensions in use', {'active_dimensions': ''}
  ),
  'feature_scale': _Panel(
    'Scale of Dis_l(x), root mean square', {'feature_scale': ''}
  ),
  'gradient_norms': _Panel(
    'Norms of the gradients',
    {f'{name}/gradient_norm': name for name in NETWORKS},
    log=True,
  ),
  'learning_rate': _Panel('Learning rate', {'learning_rate': ''}),
  'updates': _Panel(
    'Share of steps that updated a network',
    {f'{name}/updates': name for name in NETWORKS},
  ),
}


def draw(
  rows: Sequence[Row], *, band: tuple[float, float] | None = None
) -> dict[str, Picture]:
  """Draws what a run logged, a picture for each kind of number.

  A thin line joins the values, a thick one is their running median. Where a
  step was logged twice, as after a resumption, the later row counts.

  Args:
    rows: of metrics.jsonl: 'step', the losses in nats an image, the
      'active_dimensions', the 'feature_scale', the 'learning_rate', and for
      each network 'gradient_norm' and 'updates' so far.
    band: cross entropies in nats between which both Dis and Dec are updated
      under the equilibrium rule; None: no rule.

  Returns:
    file stem ('curves_prior') -> picture of DENSITY pixels a CSS pixel; only
    those for which a row has a number.
  """
  latest = {int(row['step']): row for row in rows}
  steps = np.array(sorted(latest), np.int64)
  pictures = {}
  for name, panel in _PANELS.items():
    lines = {
      key: _column([latest[step] for step in steps.tolist()], key)
      for key in panel.lines
    }
    if name == 'updates':
      lines = {key: share(steps, line) for key, line in lines.items()}
    lines = {k: line for k, line in lines.items() if np.isfinite(line).any()}
    if lines:
      pictures[f'curves_{name}'] = _draw_panel(
        name, steps, lines, band if name == 'discriminator' else None
      )
  return pictures


def share(steps: Steps, updates: Values) -> Values:
  """Computes which share of the steps since the row before made an update.

  Args:
    steps: ascending.
    updates: made so far at each of them.

  Returns:
    0..1 a row; the first row's is counted from step 0.
  """
  since = np.diff(steps, prepend=0)
  return np.diff(updates, prepend=0.0) / np.where(since > 0, since, np.nan)


def running_median(
  values: Values, *, centres: Int[np.ndarray, ' n']
) -> Float[np.ndarray, ' n']:
  """Computes medians over a 25th of the run around some of its rows.

  Windows shrink towards the ends, or a steep start would come out flat; with
  fewer than 50 rows the values themselves remain. Values that are not finite
  are left out; where no other is near, NaN.
  """
  widest = len(values) // 50
  medians = []
  for i in centres.tolist():
    half = min(widest, max(widest // 2, min(i, len(values) - 1 - i)))
    near = values[max(0, i - half) : i + half + 1]
    near = near[np.isfinite(near)]
    medians.append(np.median(near) if len(near) else np.nan)
  return np.array(medians, np.float64)


def _column(rows: Sequence[Row], key: str) -> Values:
  """Collects a key of all rows; NaN where it is absent or null."""
  values = [row.get(key) for row in rows]
  return np.array([np.nan if v is None else v for v in values], np.float64)


def _draw_panel(
  name: str,
  steps: Steps,
  lines: Mapping[str, Values],
  band: tuple[float, float] | None,
) -> Picture:
  panel = _PANELS[name]
  figure = mpl_figure.Figure(
    figsize=_INCHES, dpi=100 * DENSITY, layout='constrained'
  )
  axes = figure.add_subplot()
  _style(axes, panel.title, last=int(steps[-1]))
  ends = {}
  if name == 'discriminator':
    _mark_equilibrium(axes, band)
    ends['log 2', _MUTED] = math.log(2)
  for colour, label, values in _merge(panel, lines):
    ends[label, colour] = _draw_line(axes, steps, values, colour)
  _scale(axes, np.stack(list(lines.values())), log=panel.log)
  if name == 'updates':
    axes.set_ylim(-0.04, 1.04)
    axes.yaxis.set_major_formatter(ticker.PercentFormatter(1))
  _label_ends(axes, ends)
  return _render(figure)


def _merge(
  panel: _Panel, lines: Mapping[str, Values]
) -> list[tuple[str, str, Values]]:
  """Makes one line of those that would hide each other: colour, label, it."""
  groups: dict[bytes, list[str]] = {}
  for key, values in lines.items():
    groups.setdefault(values.tobytes(), []).append(key)
  return [
    (
      _COLOURS.get(panel.lines[keys[0]], _INK) if len(keys) == 1 else _INK,
      '\n'.join(panel.lines[key] for key in keys),
      lines[keys[0]],
    )
    for keys in groups.values()
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


def _mark_equilibrium(
  axes: mpl_axes.Axes, band: tuple[float, float] | None
) -> None:
  if band is not None:
    axes.axhspan(*band, color='#f1f3f6', linewidth=0, zorder=0)
  axes.axhline(math.log(2), color=_MUTED, linewidth=0.9, linestyle=(0, (4, 3)))


def _draw_line(
  axes: mpl_axes.Axes, steps: Steps, values: Values, colour: str
) -> float:
  """Draws values and their running median; gives where the latter ends."""
  axes.plot(steps, values, color=colour, linewidth=0.7, alpha=0.35)
  last = len(values) - 1
  centres = np.unique(np.linspace(0, last, min(_MEDIANS, last + 1)).astype(int))
  medians = running_median(values, centres=centres)
  axes.plot(
    steps[centres], medians, color=colour, linewidth=2, solid_capstyle='round'
  )
  return float(medians[np.isfinite(medians)][-1])


def _scale(axes: mpl_axes.Axes, values: np.ndarray, *, log: bool) -> None:
  """Takes a logarithmic axis if one is wanted, or if a linear one hides much.

  Nothing is ever cut off: an outlier is news.
  """
  finite = values[np.isfinite(values)]
  wide = finite.min() > 0 and finite.max() > 50 * finite.min()
  if wide or (log and finite.min() > 0):
    axes.set_yscale('log')
  else:
    axes.yaxis.set_major_locator(ticker.MaxNLocator(5))
    axes.yaxis.set_major_formatter(ticker.StrMethodFormatter('{x:,.6g}'))
  if not np.isfinite(values).all():
    axes.annotate(
      'gaps: values that are not finite',
      (1, 1),
      xycoords='axes fraction',
      ha='right',
      va='top',
      fontsize=8,
      color='#b00020',
    )


def _label_ends(
  axes: mpl_axes.Axes, ends: Mapping[tuple[str, str], float]
) -> None:
  """Writes each line's name at its end, no two over each other."""
  axes.autoscale_view()
  to_axes = axes.transData + axes.transAxes.inverted()
  places = {
    end: float(to_axes.transform((0, value))[1]) for end, value in ends.items()
  }
  floor = -math.inf
  for (label, colour), place in sorted(places.items(), key=lambda p: p[1]):
    half = 0.04 * (1 + label.count('\n'))
    place = max(place, floor + half)
    floor = place + half
    axes.annotate(
      label,
      (1, place),
      xycoords='axes fraction',
      xytext=(6, 0),
      textcoords='offset points',
      va='center',
      fontsize=9,
      color=colour,
    )


def _render(figure: mpl_figure.Figure) -> Picture:
  canvas = backend_agg.FigureCanvasAgg(figure)
  canvas.draw()
  return np.asarray(canvas.buffer_rgba())[..., :3].copy()
