"""A table of several runs: the settings that differ, metrics and measures.

Reads only what runs have written, finished or not; needs no data and no JAX.
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
from vaegan_jax.core import metrics
from vaegan_jax.report import tables
from vaegan_jax.runs import config_file, records, speed

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

_ROWS = 20  # of metrics.jsonl, to average over: single steps are noisy
_METRICS = tuple(metric.name for metric in metrics.SUMMARY)
_SPEED, _GOODPUT, _MEASURED = 'images/s', 'goodput', 'measured at step'
_ABSENT = '(absent)'
_WIDEST = 24  # characters of a setting that are shown

# Files of measures, and their key for the model's measures; the first is of
# experiments.evaluate, the second of experiments.reproduce.
_FILES = {'evaluation.json': 'model', 'measures.json': 'values'}


@dataclasses.dataclass(frozen=True)
class Run:
  """A run as it stands.

  Attributes:
    name: identifies it among the runs of a table.
    settings: by dotted name, except those of where and how it is computed.
    step: the last that was logged; 0: none yet.
    numbers: metrics, speed and measures, by the name of their column.
    measures: the names of the measures among them.
    measured: the step of the model that was measured, if known.
  """

  name: str
  settings: Mapping[str, Any]
  step: int
  numbers: Mapping[str, float]
  measures: tuple[str, ...]
  measured: int | None


def find(folders: Sequence[pathlib.Path]) -> dict[str, pathlib.Path]:
  """Returns runs by name, from folders that are runs or contain some.

  Raises:
    ValueError: a folder is no run and contains none.
  """
  found = {path.resolve(): path for f in folders for path in _runs(f)}
  if len(found) == 1:
    return {path.name: path for path in found}
  common = os.path.commonpath(found)
  return {os.path.relpath(path, common): path for path in found}


def _runs(folder: pathlib.Path) -> list[pathlib.Path]:
  inside = sorted(folder.iterdir()) if folder.is_dir() else []
  for folders in ([folder], inside):
    if runs := [path for path in folders if (path / 'config.json').is_file()]:
      return runs
  wrong = 'holds no run' if folder.is_dir() else 'is not a folder'
  raise ValueError(
    f'{folder} {wrong}: expected the --workdir of a run, or a folder of such'
  )


def read(folder: pathlib.Path, *, name: str) -> Run:
  """Reads the progress and the results of a run.

  Raises:
    FileNotFoundError: the folder holds no run.
    ValueError: its config or its measures are damaged.
  """
  config = config_file.read(folder)
  settings = schema.flatten(config)
  for setting in config_file.RUNTIME_SETTINGS:
    settings.pop(setting, None)
  rows = records.read_rows(folder / records.METRICS)
  last = rows[-_ROWS:]
  numbers = {
    metric: float(np.mean([row[metric] for row in last]))
    for metric in _METRICS
    if last and all(metric in row for row in last)
  }
  timing = records.read_rows(folder / records.TIMING)
  pace = speed.summarise(timing, batch_size=config.batch_size)
  if pace is not None:
    numbers[_SPEED] = pace.images_per_second
    if pace.goodput is not None:
      numbers[_GOODPUT] = pace.goodput
  measures, measured = _measures(folder)
  if measured is not None:
    numbers[_MEASURED] = measured
  return Run(
    name,
    settings,
    step=rows[-1]['step'] if rows else 0,
    numbers=numbers | measures,
    measures=tuple(measures),
    measured=measured,
  )


def _measures(folder: pathlib.Path) -> tuple[dict[str, float], int | None]:
  """Reads the measures of a run and the step of the measured model."""
  for file, key in _FILES.items():
    path = folder / file
    if path.exists():
      try:
        found = json.loads(path.read_text(encoding='utf-8'))
        values = {name: float(x) for name, x in found[key].items()}
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
) -> tables.Table:
  """Returns one table of runs, in the order of their settings.

  Settings that differ become columns. Runs that differ only in their seed are
  followed by their mean and standard deviation.

  Args:
    runs: the rows.
    measures: that become columns; None: those of `MEASURES` that exist.
    exact: whether to write every digit and no means, for programs.

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
  return tables.Table(
    f'{len(runs)} runs' if len(runs) > 1 else '1 run',
    f'Metrics are means over the last {_ROWS} rows of metrics.jsonl; ± is the '
    'standard deviation over runs that differ only in their seed.',
    ['run', *settings, 'step', *columns],
    body,
  )


def differing(runs: Sequence[Run]) -> list[str]:
  """Returns the settings that differ between runs, the seed last."""
  names = dict.fromkeys(name for run in runs for name in run.settings)
  first = runs[0].settings
  differ = [
    name
    for name in names
    if any(_setting(run, name) != first.get(name, _ABSENT) for run in runs)
  ]
  return sorted(differ, key=lambda name: name == 'seed')


def _setting(run: Run, name: str) -> Any:
  return run.settings.get(name, _ABSENT)


def _columns(runs: Sequence[Run], measures: Sequence[str] | None) -> list[str]:
  """Returns the columns of numbers that some run has."""
  known = dict.fromkeys(name for run in runs for name in run.measures)
  missing = [name for name in measures or () if name not in known]
  if missing:
    raise ValueError(
      f'no run has the measure {", ".join(missing)}: there are '
      f'{", ".join(known) or "none, before experiments.evaluate"}'
    )
  chosen = [*_METRICS, *(MEASURES if measures is None else measures)]
  if any(run.measured not in (None, run.step) for run in runs):
    chosen.append(_MEASURED)  # an older model than the newest row
  have = {name for run in runs for name in run.numbers}
  return [name for name in [*chosen, _SPEED, _GOODPUT] if name in have]


def _row(
  run: Run, settings: Sequence[str], *, columns: Sequence[str], exact: bool
) -> list[str]:
  cells = [str(_setting(run, name)) for name in settings]
  numbers = [run.numbers.get(name) for name in columns]
  if exact:
    written = ['' if x is None else repr(x) for x in numbers]
    return [run.name, *cells, f'{run.step}', *written]
  step = f'{run.step} of {run.settings["steps"]}' if run.step else 'not begun'
  written = [_number([] if x is None else [x]) for x in numbers]
  return [run.name, *map(_cut, cells), step, *written]


def _mean(
  runs: Sequence[Run], settings: Sequence[str], *, columns: Sequence[str]
) -> list[str]:
  """Returns the row of means of runs that differ only in their seed."""
  steps = sorted({run.step for run in runs})
  cells = [
    '' if name == 'seed' else _cut(str(_setting(runs[0], name)))
    for name in settings
  ]
  numbers = [
    _number([run.numbers[name] for run in runs if name in run.numbers])
    for name in columns
  ]
  span = f'{steps[0]}' if len(steps) == 1 else f'{steps[0]} to {steps[-1]}'
  return [f'mean of {len(runs)}', *cells, span, *numbers]


def _cut(cell: str) -> str:
  return cell if len(cell) <= _WIDEST else cell[: _WIDEST - 1] + '…'


def _order(run: Run, names: Sequence[str]) -> list[tuple[bool, float, str]]:
  """Returns a key that sorts by settings: numbers by size, then texts."""
  values = [_setting(run, name) for name in names]
  return [
    (False, x, '') if isinstance(x, int | float) else (True, 0.0, str(x))
    for x in [*values, run.name]
  ]


def _number(values: Sequence[float]) -> str:
  """Formats a mean with four significant digits, and its deviation alike."""
  size = abs(float(np.mean(values))) if values else 0.0
  digits = 3 - math.floor(math.log10(size)) if 0 < size < math.inf else 3
  return tables.mean_and_deviation(values, digits=min(6, max(0, digits)))
