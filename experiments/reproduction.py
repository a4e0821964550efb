"""Trains and measures every model of the paper, and compares them with it.

DIR/seed_N/MODEL/               a run, and measures.json
DIR/references.json             the same measures of real images
DIR/figure3.png .. figure6.png  the paper's figures, those that can be drawn
DIR/random_walk.gif, tour.gif   walks through the codes of the VAE/GAN
DIR/table.md, claims.json, report.html
"""

from __future__ import annotations

import json
import logging
import os
import pathlib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

import jax
import ml_collections

from experiments import paper, reproduction_report, reproduction_tables
from vaegan_jax import inference, loading
from vaegan_jax.config import build, checks, schema
from vaegan_jax.core import objectives
from vaegan_jax.distributed import preemption
from vaegan_jax.evaluation import studies, suite
from vaegan_jax.files import atomic, lock, paths
from vaegan_jax.runs import config_file, records, speed
from vaegan_jax.training import loop

_LOGGER = logging.getLogger(__name__)


# Settings that a reproduction decides for each model.
_EVERY_MODEL = {'model': 'vaegan', 'conditional': '', 'init_from': ''}


class Trial(NamedTuple):
  """A model to train: its name and its config."""

  name: str
  config: schema.Config


def trials(
  config: ml_collections.ConfigDict, workdir: pathlib.Path, *, seed: int
) -> list[Trial]:
  """Lists the models of one seed, each after those it depends on.

  Every model is trained unconditionally. If the data have attributes, all but
  VAE_Dis_l are also trained conditional on all of them, as in the paper.
  """
  base = schema.change(config.training, {'seed': config.training.seed + seed})
  source = build.source(base)
  listed = []
  for model in ('gan', 'vae', 'vae_dis', 'vaegan'):
    delta = _delta(config, model)
    if objectives.MODELS[model].given:
      delta['similarity'] = str(_folder(workdir, seed, 'gan'))
    listed.append(Trial(model, schema.change(base, delta)))
  if source.attribute_names:
    for model in ('gan', 'vae', 'vaegan'):
      delta = _delta(config, model) | {'conditional': 'all'}
      resolved = build.resolve(schema.change(base, delta), source)
      listed.append(Trial(f'{paper.CONDITIONAL}{model}', resolved))
  return listed


def _delta(config: ml_collections.ConfigDict, model: str) -> dict[str, Any]:
  """Returns the settings in which a model differs from the shared training."""
  changes = schema.flatten(config.gan) if model == 'gan' else {}
  return {'model': model, **changes}


def run(
  config: ml_collections.ConfigDict,
  workdir: str | os.PathLike,
  *,
  notice: preemption.Notice | None = None,
) -> pathlib.Path:
  """Reproduces the paper's comparison; finished work is not repeated.

  Args:
    config: as in experiments/configs/reproduce_celeba.py.
    workdir: the folder of all runs; created if missing.
    notice: set when the process must end.

  Returns:
    the path of the report.

  Raises:
    ValueError: for settings that cannot work, before anything is trained.
    lock.Locked: if another process uses the folder.
  """
  check(config)
  workdir = paths.absolute(workdir, name='--workdir')
  config = config.copy_and_resolve_references()
  config.training = schema.with_absolute_paths(config.training)
  plan = {
    seed: trials(config, workdir, seed=seed) for seed in range(config.seeds)
  }
  folders = {}
  for seed, listed in plan.items():
    for trial in listed:
      checks.check(trial.config)
      folders[seed, trial.name] = _folder(workdir, seed, trial.name)
  with lock.hold(workdir):
    for seed, listed in plan.items():
      for trial in listed:
        config_file.write(folders[seed, trial.name], trial.config)
    return _compare(config, workdir, plan, folders, notice=notice)


def _compare(
  config: ml_collections.ConfigDict,
  workdir: pathlib.Path,
  plan: Mapping[int, list[Trial]],
  folders: Mapping[tuple[int, str], pathlib.Path],
  *,
  notice: preemption.Notice | None,
) -> pathlib.Path:
  """Trains and measures every trial of a plan, and writes the comparison."""
  study = studies.prepare(
    build.source(config.training),
    directory=build.cache_directory(config.training),
    images=config.images,
    oracle_steps=config.oracle_steps,
  )
  conditions = suite.conditions(study, runs=config.runs)
  references = _kept(
    workdir / 'references.json',
    {**conditions, 'real': study.real().kind},
    lambda: suite.references(study, runs=config.runs),
  )
  models: dict[str, inference.Model] = {}
  measured: list[dict[str, dict[str, float]]] = []
  for seed, listed in plan.items():
    measured.append({})
    for trial in listed:
      folder = folders[seed, trial.name]
      model = _train(trial, folder, notice=notice)
      measured[-1][trial.name] = _measure(
        config, study, model=model, folder=folder, seed=seed
      )
      models.setdefault(trial.name, model)
  return reproduction_report.write(
    workdir,
    config,
    study=study,
    measured=reproduction_tables.Measured(
      models,
      measured,
      references,
      seconds=_seconds(config, folders.values()),
      real=study.real().kind,
    ),
  )


def check(config: ml_collections.ConfigDict) -> None:
  """Checks the settings of a reproduction.

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
  for name, wanted in _EVERY_MODEL.items():
    if config.training[name] != wanted:
      raise ValueError(
        f'config.training.{name} = {config.training[name]!r}: leave it at '
        f'{wanted!r}; a reproduction trains every model'
      )
  checks.check(config.training)


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
    speed.summarise(
      records.read_rows(folder / records.TIMING),
      batch_size=config.training.batch_size,
    )
    for folder in folders
  )
  return sum(pace.seconds for pace in paces if pace is not None)


def _folder(workdir: pathlib.Path, seed: int, name: str) -> pathlib.Path:
  return workdir / f'seed_{seed}' / name
