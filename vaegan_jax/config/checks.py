"""Refusals of configs that cannot work, before anything is compiled."""

from __future__ import annotations

import itertools
import pathlib
from collections.abc import Iterator
from typing import TypeAlias

from vaegan_jax.config import build, schema
from vaegan_jax.config.schema import Config

# (name of a setting, why its value does not fit the others)
Conflicts: TypeAlias = Iterator[tuple[str, str]]

# Sides of images are multiples of this number, whatever the networks.
_LEAST_SIDE = 8
_LEAST_FACE = 16  # of a side of drawn faces


def check(config: Config) -> None:
  """Checks every setting, and those that depend on each other.

  Raises:
    ValueError: naming the setting, its value and the allowed values.
  """
  if 'training' in config:
    raise ValueError(
      'config.training does not exist in the config of one run: this config is '
      'for experiments.reproduce; choose another, such as --config=demo'
    )
  flat = schema.flatten(config)
  schema.check(flat)
  conflicts = (_layer_conflicts, _model_conflicts, _source_conflicts)
  for name, reason in itertools.chain(*(find(config) for find in conflicts)):
    raise ValueError(f'config.{name} = {flat[name]!r}: {reason}')
  build.networks(schema.change(config, {'conditional': ''}))
  build.make_optimizers(config)


def check_folders(config: Config, *, workdir: pathlib.Path) -> None:
  """Checks the folders that a run needs, before it writes into any.

  Args:
    config: the run's settings, with absolute paths.
    workdir: the run's folder, which need not exist.

  Raises:
    ValueError: naming the setting, its value and what is expected.
  """
  _check_folder('--workdir', workdir)
  if config.data.cache:
    _check_folder('config.data.cache', pathlib.Path(config.data.cache))
  if config.data.path and _are_same(pathlib.Path(config.data.path), workdir):
    raise ValueError(
      f'--workdir = {workdir} is config.data.path, the folder of the images, '
      'where the files of the run would lie among them; name another folder'
    )
  start = pathlib.Path(config.init_from)
  if config.init_from and workdir / 'checkpoints' in (
    start.parent,
    start / 'checkpoints',
  ):
    raise ValueError(
      f'config.init_from = {start} is the run in --workdir itself: name '
      'another, or leave it out and raise config.steps to lengthen this one'
    )


def _are_same(one: pathlib.Path, other: pathlib.Path) -> bool:
  return one.resolve() == other.resolve()


def _check_folder(name: str, path: pathlib.Path) -> None:
  for above in (path, *path.parents):
    if above.exists() and not above.is_dir():
      raise ValueError(f'{name} = {path}: {above} is a file; name a folder')


def _layer_conflicts(config: Config) -> Conflicts:
  """Yields settings by which images and layers do not fit each other."""
  channels = config.discriminator.channels
  last = len(channels) - 1
  if config.discriminator.layer > last:
    yield (
      'discriminator.layer',
      f'there is no such layer; expected 0 (the first convolution) to {last} '
      f'(the last of config.discriminator.channels = {channels})',
    )
  halvings = max(
    len(config.encoder.channels), len(config.decoder.channels) - 1, last
  )
  multiple = max(_LEAST_SIDE, 2**halvings)
  sides = build.size(config)
  if any(side % multiple for side in sides):
    nearest = (max(1, round(side / multiple)) * multiple for side in sides)
    yield (
      'data.size',
      f'expected multiples of {multiple}, as the networks halve images '
      f'{halvings} times; the nearest is {",".join(map(str, nearest))}',
    )


def _model_conflicts(config: Config) -> Conflicts:
  """Yields settings that do not go with the model, optimizer or dispatch."""
  given = build.model(config).given
  if given and not config.similarity:
    yield (
      'similarity',
      f"'{config.model}' takes its {given} from a trained run; name its folder "
      'with --config.similarity=DIR',
    )
  if config.similarity and not given:
    yield (
      'similarity',
      f"'{config.model}' takes no network from another run; set it to '', or "
      'config.model to vae_dis',
    )
  if config.optimizer.name == 'rmsprop' and config.optimizer.momentum:
    yield (
      'optimizer.momentum',
      'rmsprop has none; set 0, or config.optimizer.name to adam',
    )
  for name in ('save_every', 'picture_every'):
    if config[name] % config.steps_per_dispatch:
      yield (
        name,
        'expected a multiple of config.steps_per_dispatch = '
        f'{config.steps_per_dispatch}, as a run saves and draws only between '
        'dispatches',
      )


def _source_conflicts(config: Config) -> Conflicts:
  """Yields settings of the data that do not go with its source."""
  kind, colon, name = config.data.source.partition(':')
  kinds = ('faces', 'celeba', 'lfw', 'folder', 'tfds')
  if (
    kind not in kinds
    or bool(colon) != bool(name)
    or bool(name) != (kind == 'tfds')
  ):
    expected = schema.SETTINGS['data.source'].allowed()
    yield 'data.source', f'expected {expected}{schema.hint(kind, kinds)}'
  if kind in build.ON_DISK and not config.data.path:
    yield (
      'data.path',
      f"name the folder of the images of '{kind}' with --config.data.path=PATH",
    )
  if kind == 'faces' and config.data.path:
    yield (
      'data.path',
      "the images of 'faces' are drawn, not read; set it to '', or "
      'config.data.source to folder',
    )
  if kind == 'faces' and min(build.size(config)) < _LEAST_FACE:
    yield 'data.size', f"'faces' have sides of at least {_LEAST_FACE} pixels"
  if kind != 'folder' and config.data.labels == 'folders':
    yield (
      'data.labels',
      f"only 'folder' has labels by folders; '{kind}' has its own: set 'table'",
    )
  if config.data.channels == 2:
    yield 'data.channels', 'expected 3 for RGB, or 1 for grey'
  if kind in ('faces', 'celeba', 'lfw') and config.data.channels != 3:
    yield 'data.channels', f"'{kind}' has 3"
