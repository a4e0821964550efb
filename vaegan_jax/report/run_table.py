"""Several runs beside each other: which settings differ, and what came out.

Reads what runs have written, while they go on or afterwards; needs neither
their data nor JAX.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vaegan_jax.config import schema
from vaegan_jax.report import comparison_page, speed
from vaegan_jax.runs import config_file, records

METRICS = ('prior', 'llike', 'real', 'generated')

# Of all that is measured, what tells runs apart at a glance.
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

# Rows of metrics.jsonl of which the mean is taken: single steps are noisy.
_ROWS = 20
_SPEED, _GOODPUT, _MEASURED = 'images/s', 'goodput', 'measured at step'
_ABSENT = '(absent)'
_WIDEST = 24  # characters of a setting that are shown

# Files of measures, and the part that is of the model: those that
# experiments.evaluate writes, and experiments.reproduce.
_FILES = {'evaluation.json': 'model', 'measures.json': 'values'}


@dataclasses.dataclass(frozen=True)
class Run:
  """A run as it stands.

  Attributes:
    name: that tells it from the others.
    settings: of its config, by dotted name, but for those of where and how it
      is computed.
    step: the last that was logged; 0: none yet.
    metrics: of its last rows, the mean; images a second, and goodput.
    measures: of its model by name, if it was measured.
    measured: the step of the model that was measured, where that is known.
  """

  name: str
  settings: Mapping[str, Any]
  step: int
  metrics: Mapping[str, float]
  measures: Mapping[str, float]
  measured: int | None = None

  @property
  def numbers(self) -> dict[str, float]:
    """Gives all that may stand in a table, by the name of its column."""
    at = {} if self.measured is None else {_MEASURED: self.measured}
    return {**self.metrics, **self.measures, **at}


def find(folders: Sequence[pathlib.Path]) -> dict[str, pathlib.Path]:
  """Finds runs, by a name for each: folders that are runs, or that hold some.

  Raises:
    ValueError: a folder is none and holds none.
  """
  found = {path.resolve(): path for f in folders for path in _runs(f)}
  if len(found) == 1:
    return {path.name: path for path in found}
  common = os.path.commonpath(found)
  return {os.path.relpath(path, common): path for path in found}


def _runs(folder: pathlib.Path) -> list[pathlib.Path]:
  if _is_run(folder):
    return [folder]
  inside = sorted(folder.iterdir()) if folder.is_dir() else []
  held = [path for path in inside if _is_run(path)]
  if not held:
    wrong = 'holds no run' if folder.is_dir() else 'is not a folder'
    raise ValueError(
      f'{folder} {wrong}: expected the --workdir of a run, or a folder of such'
    )
  return held


def _is_run(folder: pathlib.Path) -> bool:
  return (folder / 'config.json').is_file()


def read(folder: pathlib.Path, *, name: str) -> Run:
  """Reads how far a run is and what came out.

  Raises:
    FileNotFoundError: the folder holds no run.
    ValueError: its config or its measures are damaged.
  """
  config = config_file.read(folder)
  flat = schema.flatten(config)
  rows = records.read_rows(folder / records.METRICS)
  last = rows[-_ROWS:]
  metrics = {
    metric: float(np.mean([row[metric] for row in last]))
    for metric in METRICS
    if last and all(metric in row for row in last)
  }
  pace = speed.summarise(
    records.read_rows(folder / records.TIMING), batch_size=config.batch_size
  )
  if pace is not None:
    metrics[_SPEED] = pace.images_per_second
    if pace.goodput is not None:
      metrics[_GOODPUT] = pace.goodput
  measures, measured = _measures(folder)
  return Run(
    name,
    {
      n: value
      for n, value in flat.items()
      if n not in config_file.RUNTIME_SETTINGS
    },
    step=rows[-1]['step'] if rows else 0,
    metrics=metrics,
    measures=measures,
    measured=measured,
  )


def _measures(folder: pathlib.Path) -> tuple[dict[str, float], int | None]:
  """Reads the measures of a run, and of which step they are."""
  for file, part in _FILES.items():
    path = folder / file
    if path.exists():
      try:
        found = json.loads(path.read_text(encoding='utf-8'))
        values = {name: float(x) for name, x in found[part].items()}
        return values, found['about'].get('step')
      except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
          f'{path} is damaged ({error!r}): remove it, or measure the run again'
        ) from error
  return {}, None


def table(
  runs: Sequence[Run],
  *,
  measures: Sequence[str] | None = None,
  exact: bool = False,
) -> comparison_page.Table:
  """Makes one table of runs, in the order of their settings.

  A setting is a column if it differs. Below runs that differ in nothing but
  their seed stands their mean and its spread.

  Args:
    runs: of which to tell.
    measures: that become columns; None: those of `MEASURES` that there are.
    exact: every digit, and runs only: for programs.

  Raises:
    ValueError: no run has such a measure.
  """
  settings = differing(runs)
  columns = _columns(runs, measures)
  body = []
  for _, group in itertools.groupby(
    sorted(runs, key=lambda run: _order(run, settings)),
    key=lambda run: {n: x for n, x in run.settings.items() if n != 'seed'},
  ):
    alike = list(group)
    body += [_row(run, settings, columns=columns, exact=exact) for run in alike]
    begun = [run for run in alike if run.step]
    if len(begun) > 1 and not exact:
      body.append(_mean(begun, settings, columns=columns))
  return comparison_page.Table(
    f'{len(runs)} runs' if len(runs) > 1 else '1 run',
    f'Metrics are means over the last {_ROWS} rows of metrics.jsonl; ± is the '
    'standard deviation over runs that differ only in their seed.',
    ['run', *settings, 'step', *columns],
    body,
  )


def differing(runs: Sequence[Run]) -> list[str]:
  """Names the settings that are not the same in all runs, the seed last."""
  names = dict.fromkeys(name for run in runs for name in run.settings)
  differ = [
    name
    for name in names
    if any(
      run.settings.get(name, _ABSENT) != runs[0].settings.get(name, _ABSENT)
      for run in runs
    )
  ]
  return sorted(differ, key=lambda name: name == 'seed')


def _columns(runs: Sequence[Run], measures: Sequence[str] | None) -> list[str]:
  """Names the columns of numbers: those that a run has a number for."""
  known = dict.fromkeys(name for run in runs for name in run.measures)
  missing = [name for name in measures or () if name not in known]
  if missing:
    raise ValueError(
      f'no run has the measure {", ".join(missing)}: there are '
      f'{", ".join(known) or "none, before experiments.evaluate"}'
    )
  chosen = [*METRICS, *(MEASURES if measures is None else measures)]
  # Of an older model than the newest row: that must be seen.
  older = any(run.measured not in (None, run.step) for run in runs)
  chosen += [_MEASURED] if older else []
  chosen += [_SPEED, _GOODPUT]
  have = {name for run in runs for name in run.numbers}
  return [name for name in chosen if name in have]


def _row(
  run: Run, settings: Sequence[str], *, columns: Sequence[str], exact: bool
) -> list[str]:
  step = f'{run.step}' if run.step or exact else 'not begun'
  if not exact and run.step:
    step += f' of {run.settings["steps"]}'
  numbers = [
    '' if x is None else repr(x) if exact else _number([x])
    for x in map(run.numbers.get, columns)
  ]
  cells = [str(run.settings.get(name, _ABSENT)) for name in settings]
  return [run.name, *(cells if exact else map(_cut, cells)), step, *numbers]


def _mean(
  runs: Sequence[Run], settings: Sequence[str], *, columns: Sequence[str]
) -> list[str]:
  """Makes a row of the means of runs that differ only in their seed."""
  steps = sorted({run.step for run in runs})
  cells = [
    '' if name == 'seed' else _cut(str(runs[0].settings.get(name, _ABSENT)))
    for name in settings
  ]
  numbers = [
    [run.numbers[name] for run in runs if name in run.numbers]
    for name in columns
  ]
  return [
    f'mean of {len(runs)}',
    *cells,
    str(steps[0]) if len(steps) == 1 else f'{steps[0]} to {steps[-1]}',
    *map(_number, numbers),
  ]


def _cut(cell: str) -> str:
  return cell if len(cell) <= _WIDEST else cell[: _WIDEST - 1] + '…'


def _order(run: Run, names: Sequence[str]) -> list[tuple[bool, float, str]]:
  """Sorts by settings, numbers by their size and before words."""
  values = [run.settings.get(name, _ABSENT) for name in names]
  return [
    (False, x, '') if isinstance(x, int | float) else (True, 0.0, str(x))
    for x in [*values, run.name]
  ]


def _number(values: Sequence[float]) -> str:
  """Writes a mean with four digits that count, and the spread with as many."""
  size = abs(float(np.mean(values))) if values else 0.0
  places = 3 - math.floor(math.log10(size)) if 0 < size < math.inf else 3
  return comparison_page.spread(values, digits=min(6, max(0, places)))
