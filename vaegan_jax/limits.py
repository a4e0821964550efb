"""What the settings of a config may be, by dotted name, and with each other."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any

from vaegan_jax import objectives

# name: (least, largest) of numbers, both allowed.
RANGES = {
  'steps': (1, None),
  'batch_size': (2, None),
  'steps_per_dispatch': (1, None),
  'seed': (0, 2**32 - 1),
  'gamma': (0, None),
  'real_share': (0, 0.999),
  'log_epsilon': (0, 1),
  'equilibrium_centre': (0, None),
  'equilibrium_margin': (0, None),
  'average_decay': (0, 1),
  'latent_size': (1, None),
  'encoder.hidden': (1, None),
  'encoder.learning_rate_scale': (0, None),
  'encoder.weight_decay': (0, None),
  'decoder.learning_rate_scale': (0, None),
  'decoder.weight_decay': (0, None),
  'discriminator.hidden': (1, None),
  'discriminator.learning_rate_scale': (0, None),
  'discriminator.weight_decay': (0, None),
  'optimizer.decay': (0, 1),
  'optimizer.momentum': (0, 1),
  'data.faces': (1, None),
  'data.seed': (0, 2**32 - 1),
  'data.resident': (0, None),
  'log_every': (1, None),
  'picture_every': (1, None),
  'save_every': (1, None),
  'keep': (1, None),
}
CHOICES = {
  'model': tuple(objectives.MODELS),
  'compile': ('jit', 'pmap'),
  'dtype': ('float32', 'bfloat16'),
  'optimizer.name': ('rmsprop', 'adam'),
}


def check(flat: Mapping[str, Any]) -> None:
  """Refuses settings out of their limits, or that contradict each other.

  Args:
    flat: all settings of a config by dotted name.

  Raises:
    ValueError: naming the setting, its value and what is allowed.
  """
  for name, (least, largest) in RANGES.items():
    value = flat[name]
    if value < least or (largest is not None and value > largest):
      upper = '' if largest is None else f' and at most {largest}'
      raise ValueError(
        f'config.{name} = {value}: expected at least {least}{upper}'
      )
  for name, choices in CHOICES.items():
    if flat[name] not in choices:
      raise ValueError(
        f'config.{name} = {flat[name]!r}: expected one of '
        f'{", ".join(choices)}{hint(str(flat[name]), choices)}'
      )
  _check_similarity(flat)
  _check_momentum(flat)
  _check_dispatch(flat)


def hint(name: str, known: Iterable[str]) -> str:
  """Suggests the known name nearest to a wrong one, if one is near."""
  near = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
  return f'; did you mean {near[0]}?' if near else ''


def _check_similarity(flat: Mapping[str, Any]) -> None:
  """Checks that a model that takes a network from another run names one."""
  model, similarity = flat['model'], flat['similarity']
  given = objectives.MODELS[model].given
  if given and not similarity:
    raise ValueError(
      f"config.similarity is empty: '{model}' takes its {given} from a "
      'trained run; name its folder with --config.similarity=DIR'
    )
  if similarity and not given:
    raise ValueError(
      f"config.similarity = {similarity!r}: '{model}' takes no "
      "network from another run; set it to '', or config.model to vae_dis"
    )


def _check_momentum(flat: Mapping[str, Any]) -> None:
  momentum = flat['optimizer.momentum']
  if flat['optimizer.name'] == 'rmsprop' and momentum:
    raise ValueError(
      f'config.optimizer.momentum = {momentum}: rmsprop has none; set 0, or '
      'config.optimizer.name to adam'
    )


def _check_dispatch(flat: Mapping[str, Any]) -> None:
  many = flat['steps_per_dispatch']
  for name in ('save_every', 'picture_every'):
    if flat[name] % many:
      raise ValueError(
        f'config.{name} = {flat[name]}: expected a multiple of '
        f'config.steps_per_dispatch = {many}, as nothing can be saved or drawn '
        'before all steps of a dispatch are done'
      )
