"""What the settings of a config may be, by dotted name, and with each other."""

from __future__ import annotations

import difflib
import math
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any, TypeAlias

import ml_collections

# name: (least, largest) of whole numbers, both allowed.
WHOLE: dict[str, tuple[float, float | None]] = {
  'steps': (1, None),
  'batch_size': (2, None),
  'steps_per_dispatch': (1, None),
  'seed': (0, 2**32 - 1),
  'latent_size': (1, None),
  'encoder.hidden': (1, None),
  'discriminator.hidden': (1, None),
  'discriminator.layer': (0, None),
  'optimizer.epoch': (1, None),
  'data.channels': (1, 3),
  'data.faces': (1, 10_000_000),
  'data.seed': (0, 2**32 - 1),
  'data.resident': (0, None),
  'log_every': (1, None),
  'picture_every': (1, None),
  'save_every': (1, None),
  'keep': (1, None),
  'keep_every': (0, None),
}
# The same of other numbers, which must be finite.
RANGES: dict[str, tuple[float, float | None]] = {
  'gamma': (0, None),
  'real_share': (0, 0.999),
  'log_epsilon': (0, 1),
  'equilibrium_centre': (0, None),
  'equilibrium_margin': (0, None),
  'average_decay': (0, 1),
  'width': (0, None),
  'encoder.learning_rate_scale': (0, None),
  'encoder.weight_decay': (0, None),
  'decoder.learning_rate_scale': (0, None),
  'decoder.weight_decay': (0, None),
  'discriminator.learning_rate_scale': (0, None),
  'discriminator.weight_decay': (0, None),
  'optimizer.learning_rate': (0, None),
  'optimizer.final_learning_rate': (0, None),
  'optimizer.power': (0, None),
  # At 1 Adam divides 0 by 0.
  'optimizer.decay': (0, 0.999_999),
  'optimizer.momentum': (0, 0.999_999),
}
# Of those, what must not be 0.
POSITIVE = ('width', 'optimizer.learning_rate', 'optimizer.power')
CHOICES = {
  'model': ('vaegan', 'vae', 'vae_dis', 'gan'),
  'compile': ('jit', 'pmap'),
  'dtype': ('float32', 'bfloat16'),
  'optimizer.name': ('rmsprop', 'adam'),
}
FLAGS = (
  'reconstructions_judged',
  'non_saturating',
  'joint_normalisation',
  'equilibrium',
  'recompute',
  'data.flips',
  'data.jitter',
  'data.train_on_validation',
  'data.skip_broken',
)
TEXTS = ('similarity', 'conditional', 'data.source', 'data.path', 'data.cache')
CHANNELS = ('encoder.channels', 'decoder.channels', 'discriminator.channels')
NAMES = (*WHOLE, *RANGES, *CHOICES, *FLAGS, *TEXTS, *CHANNELS, 'data.size')

# Sides of images are multiples of it, whatever the networks.
_LEAST_SIDE = 8


Config: TypeAlias = ml_collections.ConfigDict


def flatten(
  config: Config | Mapping[str, Any], prefix: str = ''
) -> dict[str, Any]:
  """Lists the settings of a config by dotted name."""
  flat: dict[str, Any] = {}
  for name, value in config.items():
    if isinstance(value, ml_collections.ConfigDict | dict):
      flat |= flatten(value, f'{prefix}{name}.')
    else:
      flat[prefix + name] = value
  return flat


def check(flat: Mapping[str, Any]) -> None:
  """Refuses settings out of their limits, or that contradict each other.

  Args:
    flat: all settings of a config by dotted name.

  Raises:
    ValueError: naming the setting, its value and what is allowed.
  """
  _check_names(flat)
  for name in WHOLE:
    _check_type(flat, name, int, 'a whole number')
  for name in RANGES:
    _check_type(flat, name, (int, float), 'a number')
  for name, (least, largest) in (WHOLE | RANGES).items():
    _check_range(flat, name, least=least, largest=largest)
  for name in POSITIVE:
    if flat[name] == 0:
      raise ValueError(f'config.{name} = {flat[name]}: expected more than 0')
  for name, choices in CHOICES.items():
    if flat[name] not in choices:
      raise ValueError(
        f'config.{name} = {flat[name]!r}: expected one of '
        f'{", ".join(choices)}{hint(str(flat[name]), choices)}'
      )
  for name in FLAGS:
    _check_type(flat, name, bool, 'True or False')
  for name in TEXTS:
    _check_type(flat, name, str, 'a text')
  for name in CHANNELS:
    _check_channels(flat, name)
  _check_networks(flat)
  _check_momentum(flat)
  _check_dispatch(flat)


def size(given: Any) -> tuple[int, int]:
  """Gives height and width of `config.data.size`; one number means a square.

  Raises:
    ValueError: if they are not one or two whole numbers above 0.
  """
  numbers = given if isinstance(given, tuple) else (given,)
  if len(numbers) not in (1, 2) or not all(map(_is_count, numbers)):
    raise ValueError(
      f'config.data.size = {given}: expected a height and a width in pixels, '
      'as in 64,64, or one number for a square'
    )
  return numbers[0], numbers[-1]


def check_places(flat: Mapping[str, Any], *, workdir: pathlib.Path) -> None:
  """Refuses places that are not what a run needs, before it writes to any.

  Args:
    flat: all settings of a config by dotted name.
    workdir: the run's folder, which need not exist.

  Raises:
    ValueError: naming the setting, its value and what is expected.
  """
  _check_folder('--workdir', str(workdir))
  if flat['data.cache']:
    _check_folder('config.data.cache', flat['data.cache'])
  similarity = flat['similarity']
  if similarity and not (_path(similarity) / 'config.json').is_file():
    raise ValueError(
      f'config.similarity = {similarity}: expected the folder of a run, which '
      'holds a config.json'
    )


def hint(name: str, known: Iterable[str]) -> str:
  """Suggests the known name nearest to a wrong one, if one is near."""
  names = {other.lower(): other for other in known}
  near = difflib.get_close_matches(name.lower(), names, n=1, cutoff=0.5)
  return f'; did you mean {names[near[0]]}?' if near else ''


def _check_names(flat: Mapping[str, Any]) -> None:
  """Checks that a config has all settings and no other."""
  unknown = [name for name in flat if name not in NAMES]
  if unknown:
    raise ValueError(
      f'config.{unknown[0]} does not exist{hint(unknown[0], NAMES)}'
    )
  lacking = [name for name in NAMES if name not in flat]
  if lacking:
    raise ValueError(
      f'config.{lacking[0]} is missing: make the config from one of '
      'experiments/configs by settings.change'
    )


def _check_type(
  flat: Mapping[str, Any], name: str, types: Any, expected: str
) -> None:
  value = flat[name]
  # A bool is an int for Python.
  wrong_bool = isinstance(value, bool) and types is not bool
  if wrong_bool or not isinstance(value, types):
    raise ValueError(f'config.{name} = {value!r}: expected {expected}')


def _check_range(
  flat: Mapping[str, Any], name: str, *, least: float, largest: float | None
) -> None:
  value = flat[name]
  upper = '' if largest is None else f' and at most {largest}'
  # Nothing is true of NaN, so each condition is one that it must fulfil.
  fine = value >= least and (largest is None or value <= largest)
  if not (fine and math.isfinite(value)):
    raise ValueError(
      f'config.{name} = {value}: expected at least {least}{upper}'
      f'{"" if math.isfinite(value) else ", and finite"}'
    )


def _is_count(value: Any) -> bool:
  return type(value) is int and value > 0


def _check_channels(flat: Mapping[str, Any], name: str) -> None:
  value = flat[name]
  is_row = isinstance(value, tuple | list) and len(value)
  if not is_row or not all(map(_is_count, value)):
    raise ValueError(
      f'config.{name} = {value!r}: expected whole numbers above 0, one a '
      'layer, as in 64,128,256'
    )


def _check_networks(flat: Mapping[str, Any]) -> None:
  """Checks that images and layers fit each other."""
  last = len(flat['discriminator.channels']) - 1
  layer = flat['discriminator.layer']
  if layer > last:
    raise ValueError(
      f'config.discriminator.layer = {layer}: there is no such layer; expected '
      f'from 0, its first convolution, to {last}, the last of '
      f'config.discriminator.channels = {flat["discriminator.channels"]}'
    )
  depths = (
    len(flat['encoder.channels']),
    len(flat['decoder.channels']) - 1,
    last,
  )
  multiple = max(_LEAST_SIDE, 2 ** max(depths))
  height_width = size(flat['data.size'])
  if any(side % multiple for side in height_width):
    nearest = (max(1, round(n / multiple)) * multiple for n in height_width)
    raise ValueError(
      f'config.data.size = {flat["data.size"]}: expected multiples of '
      f'{multiple}, as the networks halve images {max(depths)} times; the '
      f'nearest is {",".join(map(str, nearest))}'
    )


def _check_folder(name: str, value: str) -> None:
  path = _path(value)
  for above in (path, *path.parents):
    if above.exists() and not above.is_dir():
      raise ValueError(f'{name} = {value}: {above} is a file; name a folder')


def _path(text: str) -> pathlib.Path:
  return pathlib.Path(text).expanduser().absolute()


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
