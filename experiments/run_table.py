"""A table of several runs: the settings that differ, metrics and measures."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from experiments import run_files
from experiments.run_files import Run
from vaegan_jax.report import tables

# The measures of models that are shown by default.
MEASURES = (
  'samples/fid',
  'samples/frechet',
  'samples/sliced_wasserstein',
  'samples/precision',
  'samples/recall',
  'reconstructions/psnr',
  'reconstructions/feature_distance',
  'similarity/cosine',
)

_LEAD = (
  f'Metrics are means over the last {run_files.ROWS} rows of metrics.jsonl; ± '
  'is the standard deviation over runs that differ only in their seed.'
)
_REMARK_GIVEN = (
  'Conditional models are given the attributes of each test image, so their '
  'measures are apart.'
)
_ABSENT = '(absent)'
_WIDEST = 24  # characters of a setting that are shown


class _Columns(NamedTuple):
  """The names of settings, of conditions of the measures, and of numbers."""

  settings: list[str]
  conditions: list[str]
  numbers: list[str]


def table(
  runs: Sequence[Run],
  *,
  measures: Sequence[str] | None = None,
  exact: bool = False,
) -> tables.Table:
  """Returns one table of runs, in the order of their settings.

  Settings that differ become columns, and so do conditions of the measures.
  Runs that differ only in their seed are followed by their mean and standard
  deviation, in which each seed counts once.

  Args:
    runs: the rows.
    measures: that become columns; None: those of `MEASURES` that exist.
    exact: whether to write every digit and no means, for programs.

  Raises:
    ValueError: no run has such a measure.
  """
  columns = _columns(runs, measures)
  body: list[list[str]] = []
  remarks = [_LEAD]
  for alike in _groups(runs, columns.settings):
    body += [_row(run, columns, exact=exact) for run in alike]
    seeds = _seeds([run for run in alike if run.step], remarks)
    if len(seeds) > 1 and not exact:
      body.append(_mean(seeds, columns, remarks))
  if any(run_files.GIVEN in name for name in columns.numbers):
    remarks.append(_REMARK_GIVEN)
  return tables.Table(
    f'{len(runs)} runs' if len(runs) > 1 else '1 run',
    ' '.join(remarks),
    [
      'run',
      *columns.settings,
      *(f'measured with {name}' for name in columns.conditions),
      'step',
      *columns.numbers,
    ],
    body,
  )


def _groups(
  runs: Sequence[Run], settings: Sequence[str]
) -> Iterator[list[Run]]:
  """Yields the runs whose settings are equal but for the seed, in order."""
  for _, group in itertools.groupby(
    sorted(runs, key=lambda run: _order(run, settings)),
    key=lambda run: {n: x for n, x in run.settings.items() if n != 'seed'},
  ):
    yield list(group)


def _seeds(alike: Sequence[Run], remarks: list[str]) -> list[Run]:
  """Returns a run of each seed, or none if they have other data.

  Of runs of one seed, which are copies or differ in how they were computed, the
  furthest counts; of these, one that was measured.
  """
  if len({run.data for run in alike if run.data is not None}) > 1:
    remarks.append(f'{_names(alike)} have no mean: their training data differ.')
    return []
  chosen: dict[int, Run] = {}
  order = sorted(alike, key=lambda r: (-r.step, not r.measures, r.name))
  for run in order:
    first = chosen.setdefault(run.settings['seed'], run)
    if first is not run:
      remarks.append(f'{run.name} repeats {first.name} and is in no mean.')
  return [run for run in alike if chosen[run.settings['seed']] is run]


def differing(
  mappings: Sequence[Mapping[str, Any]], *, last: str = ''
) -> list[str]:
  """Returns the names whose values differ between mappings.

  Args:
    mappings: values by name.
    last: a name to put last, if it is among them.
  """
  names = dict.fromkeys(name for mapping in mappings for name in mapping)
  values = {n: [m.get(n, _ABSENT) for m in mappings] for n in names}
  differ = [n for n, (x, *rest) in values.items() if any(y != x for y in rest)]
  return sorted(differ, key=lambda name: name == last)


def _columns(runs: Sequence[Run], measures: Sequence[str] | None) -> _Columns:
  """Returns the columns that differ, and those of numbers that some run has."""
  known = dict.fromkeys(name for run in runs for name in run.measures)
  forms = {n: [n, n + run_files.GIVEN] for n in measures or MEASURES}
  missing = [n for n in measures or () if not {*forms[n]} & {*known}]
  if missing:
    raise ValueError(
      f'no run has the measure {", ".join(missing)}: there are '
      f'{", ".join(known) or "none, before experiments.evaluate"}'
    )
  chosen = [*run_files.METRICS, *itertools.chain(*forms.values())]
  if any(run.measured not in (None, run.step) for run in runs):
    chosen.append(run_files.MEASURED)  # an older model than the newest row
  have = {name for run in runs for name in run.numbers}
  chosen += [run_files.SPEED, run_files.GOODPUT]
  return _Columns(
    differing([run.settings for run in runs], last='seed'),
    differing([run.conditions for run in runs if run.conditions]),
    [name for name in chosen if name in have],
  )


def _row(run: Run, columns: _Columns, *, exact: bool) -> list[str]:
  cells = [str(run.settings.get(name, _ABSENT)) for name in columns.settings]
  cells += [str(run.conditions.get(name, '')) for name in columns.conditions]
  numbers = [run.numbers.get(name) for name in columns.numbers]
  if exact:
    written = ['' if x is None else repr(x) for x in numbers]
    return [run.name, *cells, f'{run.step}', *written]
  step = f'{run.step} of {run.settings["steps"]}' if run.step else 'not begun'
  return [run.name, *map(_cut, cells), step, *(_number([x]) for x in numbers)]


def _mean(
  runs: Sequence[Run], columns: _Columns, remarks: list[str]
) -> list[str]:
  """Returns the row of means of runs that differ only in their seed."""
  steps = sorted({run.step for run in runs})
  settings = [
    '' if name == 'seed' else _cut(str(runs[0].settings.get(name, _ABSENT)))
    for name in columns.settings
  ]
  unlike = differing([run.conditions for run in runs if run.conditions])
  if unlike:
    remarks.append(
      f'Measures of {_names(runs)} have no mean: their {", ".join(unlike)} '
      'differ.'
    )
  measures = {name for run in runs for name in run.measures} if unlike else ()
  numbers = [
    '' if name in measures else _number([r.numbers.get(name) for r in runs])
    for name in columns.numbers
  ]
  span = f'{steps[0]}' if len(steps) == 1 else f'{steps[0]} to {steps[-1]}'
  blank = [''] * len(columns.conditions)
  return [f'mean of {len(runs)}', *settings, *blank, span, *numbers]


def _names(runs: Sequence[Run]) -> str:
  return ', '.join(run.name for run in runs)


def _cut(cell: str) -> str:
  return cell if len(cell) <= _WIDEST else cell[: _WIDEST - 1] + '…'


def _order(run: Run, names: Sequence[str]) -> list[tuple[bool, float, str]]:
  """Returns a key that sorts by settings: numbers by size, then texts."""
  values = [run.settings.get(name, _ABSENT) for name in names]
  return [
    (False, x, '') if isinstance(x, int | float) else (True, 0.0, str(x))
    for x in [*values, run.name]
  ]


def _number(values: Sequence[float | None]) -> str:
  """Formats a mean with four significant digits, and its deviation alike."""
  known = [x for x in values if x is not None]
  size = abs(float(np.mean(known))) if known else 0.0
  digits = 3 - math.floor(math.log10(size)) if 0 < size < math.inf else 3
  return tables.mean_and_deviation(values, digits=min(6, max(0, digits)))
