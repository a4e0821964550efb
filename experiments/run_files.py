"""What runs have written, finished or not: needs no data and no JAX."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from vaegan_jax.config import schema
from vaegan_jax.core import metrics
from vaegan_jax.files import checksums, weights
from vaegan_jax.runs import config_file, records, speed

ROWS = 20  # of metrics.jsonl, to average over: single steps are noisy
METRICS = tuple(metric.name for metric in metrics.SUMMARY)
SPEED, GOODPUT, MEASURED = 'images/s', 'goodput', 'measured at step'
# Follows the measures of conditional models, which are given the attributes of
# each test image, where other models have the same measures without them.
GIVEN = ' (given attributes)'

# Files of measures, and their key for the model's measures; the first is of
# experiments.evaluate, the second of experiments.reproduce.
_FILES = {'evaluation.json': 'model', 'measures.json': 'values'}
# What the measures of comparable runs need not share.
_OWN = ('step', 'model', 'seed', 'given')


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
    conditions: of the measures, such as the number of images.
    data: the digest of the training data, if known.
  """

  name: str
  settings: Mapping[str, Any]
  step: int
  numbers: Mapping[str, float]
  measures: tuple[str, ...]
  measured: int | None
  conditions: Mapping[str, Any]
  data: str | None


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
  last = rows[-ROWS:]
  numbers = {
    metric: float(np.mean([row[metric] for row in last]))
    for metric in METRICS
    if last and all(metric in row for row in last)
  }
  pace = speed.read(folder, batch_size=config.batch_size)
  if pace is not None:
    numbers[SPEED] = pace.images_per_second
    if pace.goodput is not None:
      numbers[GOODPUT] = pace.goodput
  measures, about = _measures(folder)
  if config.conditional:
    measures = {_mark(name): x for name, x in measures.items()}
  measured = about.get('step')
  if measured is not None:
    numbers[MEASURED] = measured
  return Run(
    name,
    settings,
    step=_step(folder, rows),
    numbers=numbers | measures,
    measures=tuple(measures),
    measured=measured,
    conditions={n: x for n, x in about.items() if n not in _OWN},
    data=_data(folder),
  )


def _step(folder: pathlib.Path, rows: Sequence[Mapping[str, Any]]) -> int:
  if (model := folder / 'model.safetensors').exists():  # an exported model
    return weights.load(model, about={})[1]['step']
  return rows[-1]['step'] if rows else 0


def _mark(measure: str) -> str:
  return measure + GIVEN * (not measure.startswith('similarity/'))


def _data(folder: pathlib.Path) -> str | None:
  """Reads the digest of the training data, if a checkpoint has it."""
  for path in folder.glob(f'checkpoints/[0-9]*/{checksums.NAME}'):
    try:
      return str(json.loads(path.read_text(encoding='utf-8'))['about']['data'])
    except (OSError, ValueError, LookupError, TypeError):
      continue  # being removed, or damaged: the others have the same
  return None


def _measures(folder: pathlib.Path) -> tuple[dict[str, float], dict[str, Any]]:
  """Reads the measures of a run and what they were made from."""
  for file, key in _FILES.items():
    path = folder / file
    if path.exists():
      try:
        found = json.loads(path.read_text(encoding='utf-8'))
        values = {name: float(x) for name, x in found[key].items()}
        return values, dict(found['about'])
      except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
          f'{path} is damaged ({error!r}): remove it, or measure the run again'
        ) from error
  return {}, {}
