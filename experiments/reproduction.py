"""The paper's comparison: every model of the paper, trained and measured.

DIR/seed_N/MODEL/               a run, and measures.json
DIR/references.json             the same measures of real images
DIR/figure3.png .. figure6.png  the paper's figures, those that can be drawn
DIR/random_walk.gif, tour.gif   walks through the codes of the VAE/GAN
DIR/table.md, claims.json, report.html
"""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Sequence
from typing import Any

import ml_collections

from experiments import paper, reproduction_report, trials
from vaegan_jax.config import build, schema
from vaegan_jax.core import objectives

# Settings that a reproduction decides for each model.
_EVERY_MODEL = {'model': 'vaegan', 'conditional': '', 'init_from': ''}


def plan(
  config: ml_collections.ConfigDict, workdir: pathlib.Path, *, seed: int
) -> list[trials.Trial]:
  """Lists the models of one seed, each after those it depends on.

  Every model is trained unconditionally. If the data have attributes, all but
  VAE_Dis_l are also trained conditional on all of them, as in the paper.
  `config.models` may choose some of these.

  Raises:
    ValueError: the config decides what differs between the models, or chooses
      models that cannot be trained.
  """
  for name, wanted in _EVERY_MODEL.items():
    if config.training[name] != wanted:
      raise ValueError(
        f'config.training.{name} = {config.training[name]!r}: leave it at '
        f'{wanted!r}; a reproduction trains every model'
      )
  base = schema.change(config.training, {'seed': config.training.seed + seed})
  listed = []
  for model in ('gan', 'vae', 'vae_dis', 'vaegan'):
    delta = _delta(config, model)
    if objectives.MODELS[model].given:
      delta['similarity'] = str(trials.folder(workdir, seed, 'gan'))
    listed.append(trials.Trial(model, schema.change(base, delta)))
  if build.source(base).attribute_names:
    for model in ('gan', 'vae', 'vaegan'):
      delta = _delta(config, model) | {'conditional': build.ALL}
      listed.append(
        trials.Trial(f'{paper.CONDITIONAL}{model}', schema.change(base, delta))
      )
  return _chosen(listed, config.models)


def _chosen(listed: Sequence[trials.Trial], wanted: str) -> list[trials.Trial]:
  """Keeps the trials that `config.models` names."""
  names = [trial.name for trial in listed]
  chosen = names if wanted == 'all' else wanted.split(',')
  others = [name for name in chosen if name not in names]
  if others or len(set(chosen)) < len(chosen):
    raise ValueError(
      f"config.models = {wanted!r}: expected 'all', or some of "
      f'{",".join(names)}, each once, separated by commas'
    )
  if 'vae_dis' in chosen and 'gan' not in chosen:
    raise ValueError(
      f'config.models = {wanted!r}: vae_dis uses the discriminator of gan; add '
      'gan'
    )
  return [trial for trial in listed if trial.name in chosen]


def _delta(config: ml_collections.ConfigDict, model: str) -> dict[str, Any]:
  """Returns the settings in which a model differs from the shared training."""
  changes = schema.flatten(config.gan) if model == 'gan' else {}
  return {'model': model, **changes}


# (config, workdir, notice=...) as trials.run.
run = functools.partial(trials.run, plan=plan, report=reproduction_report.write)
