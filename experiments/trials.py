"""Trains and measures several models with several seeds.

DIR/seed_N/NAME/      a run, and measures.json
DIR/references.json   the same measures of real images
"""

from __future__ import annotations

import json
import logging
import os
import pathlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import jax
import ml_collections

from vaegan_jax import inference, loading
from vaegan_jax.config import build, checks, schema
from vaegan_jax.distributed import preemption
from vaegan_jax.evaluation import studies, suite
from vaegan_jax.files import atomic, lock, paths
from vaegan_jax.runs import config_file, speed
from vaegan_jax.training import loop

_LOGGER = logging.getLogger(__name__)


class Trial(NamedTuple):
  """A model to train: its name and its config."""

  name: str
  config: schema.Config


class Measured(NamedTuple):
  """Trained models and their measures.

  Attributes:
    models: of the first seed, by the name of the trial.
    measures: of each seed, by the name of the trial.
    references: of real images, as `suite.references` returns them.
    seconds: of training, all runs together.
    real: what the real images are that take the place of samples.
  """

  models: dict[str, inference.Model]
  measures: list[dict[str, dict[str, float]]]
  references: dict[str, dict[str, float]]
  seconds: float
  real: str


# (config, workdir, seed=...) -> the trials of a seed, each after those that it
# depends on.
Plan: TypeAlias = Callable[..., list[Trial]]
# (workdir, config, study=..., measured=...) -> the path of what it writes.
Report: TypeAlias = Callable[..., pathlib.Path]


def run(
  config: ml_collections.ConfigDict,
  workdir: str | os.PathLike,
  *,
  plan: Plan,
  report: Report,
  notice: preemption.Notice | None = None,
  diverging: bool = False,
) -> pathlib.Path:
  """Trains and measures the trials of every seed; finished work is kept.

  Args:
    config: as in experiments/configs/reproduce_celeba.py.
    workdir: the folder of all runs; created if missing.
    plan: lists the trials.
    report: writes the result.
    notice: set when the process must end.
    diverging: whether a run may diverge: it then has no measures.

  Returns:
    what `report` returns.

  Raises:
    ValueError: for settings that cannot work, before anything is trained.
    lock.Locked: if another process uses the folder.
  """
  check(config)
  workdir = paths.absolute(workdir, name='--workdir')
  config = config.copy_and_resolve_references()
  config.training = schema.with_absolute_paths(config.training)
  source = build.source(config.training)
  listed = [
    (seed, trial._replace(config=build.resolve(trial.config, source)))
    for seed in range(config.seeds)
    for trial in plan(config, workdir, seed=seed)
  ]
  for _, trial in listed:
    checks.check(trial.config)
  with lock.hold(workdir):
    for seed, trial in listed:
      config_file.write(folder(workdir, seed, trial.name), trial.config)
    study = studies.prepare(
      source,
      directory=build.cache_directory(config.training),
      images=config.images,
      oracle_steps=config.oracle_steps,
    )
    measured = _measured(
      config, workdir, study, listed, notice=notice, diverging=diverging
    )
    return report(workdir, config, study=study, measured=measured)


def check(config: ml_collections.ConfigDict) -> None:
  """Checks the settings that say how often and on what models are measured.

  Raises:
    ValueError: naming the setting, its value and the allowed values.
  """
  if 'training' not in config:
    raise ValueError(
      'config.training is missing: this config is of one run, for '
      'experiments.train; choose another, such as --config=reproduce_faces'
    )
  least = {'seeds': 1, 'images': 20, 'runs': 1, 'oracle_steps': 1}
  most = {'seeds': suite.SEEDS, 'runs': suite.DRAWS}
  for name, smallest in least.items():
    schema.Setting(int, '', least=smallest, most=most.get(name)).require(
      config[name], name=f'config.{name}'
    )
  checks.check(config.training)


def folder(workdir: pathlib.Path, seed: int, name: str) -> pathlib.Path:
  """Returns the folder of a trial."""
  return workdir / f'seed_{seed}' / name


def _measured(
  config: ml_collections.ConfigDict,
  workdir: pathlib.Path,
  study: studies.Study,
  listed: Sequence[tuple[int, Trial]],
  *,
  notice: preemption.Notice | None,
  diverging: bool,
) -> Measured:
  """Trains and measures every trial of a plan."""
  conditions = suite.conditions(study, runs=config.runs)
  real = study.real().kind
  references = _kept(
    workdir / 'references.json',
    {**conditions, 'real': real},
    lambda: suite.references(study, runs=config.runs),
  )
  models: dict[str, inference.Model] = {}
  measures: list[dict[str, dict[str, float]]] = [
    {} for _ in range(config.seeds)
  ]
  for seed, trial in listed:
    where = folder(workdir, seed, trial.name)
    try:
      model = _train(trial, where, notice=notice)
    except FloatingPointError as error:
      if not diverging:
        raise
      _LOGGER.warning('%s has no measures: %s', where, error)
      continue
    measures[seed][trial.name] = _measure(
      config, study, model=model, folder=where, seed=seed
    )
    models.setdefault(trial.name, model)
  folders = [folder(workdir, seed, trial.name) for seed, trial in listed]
  seconds = _seconds(config, folders)
  return Measured(models, measures, references, seconds, real)


def _measure(
  config: ml_collections.ConfigDict,
  study: studies.Study,
  *,
  model: inference.Model,
  folder: pathlib.Path,
  seed: int,
) -> dict[str, float]:
  """Measures a run, or reads the earlier measures of the same run."""

  def make() -> dict[str, float]:
    _LOGGER.info('Measuring %s.', folder)
    return suite.evaluate(model, study, runs=config.runs, seed=seed)

  about = suite.conditions(study, runs=config.runs)
  about |= {'model': model.digest(), 'seed': seed}
  return _kept(folder / 'measures.json', about, make)


def _train(
  trial: Trial, folder: pathlib.Path, *, notice: preemption.Notice | None
) -> inference.Model:
  """Trains a model to the end, or loads it if that is done."""
  try:
    model = loading.load(folder)
  except FileNotFoundError:
    model = None
  if model is None or model.step < trial.config.steps:
    _LOGGER.info('Training %s in %s.', trial.name, folder)
    loop.train(trial.config, folder, notice=notice)
    jax.clear_caches()  # each run compiles its own programs
    model = loading.load(folder)
  return model


def _kept(
  path: pathlib.Path, about: Mapping[str, Any], make: Callable[[], Any]
) -> Any:
  """Reads values made under the same conditions, or makes them."""
  kept = _read(path)
  if kept is not None and kept['about'] == about:
    return kept['values']
  values = make()
  text = json.dumps({'about': about, 'values': values}, indent=2)
  path.parent.mkdir(parents=True, exist_ok=True)
  atomic.write_text(path, text + '\n')
  return values


def _read(path: pathlib.Path) -> dict[str, Any] | None:
  """Reads a file of values; None if it is missing or damaged."""
  try:
    kept = json.loads(path.read_text())
    return {'about': kept['about'], 'values': kept['values']}
  except FileNotFoundError:
    return None
  except (OSError, ValueError, KeyError, TypeError) as error:
    _LOGGER.warning('%s is damaged (%r): measuring again.', path, error)
    return None


def _seconds(
  config: ml_collections.ConfigDict, folders: Iterable[pathlib.Path]
) -> float:
  """Returns the seconds of training of all runs together."""
  paces = (
    speed.read(folder, batch_size=config.training.batch_size)
    for folder in folders
  )
  return sum(pace.seconds for pace in paces if pace is not None)
