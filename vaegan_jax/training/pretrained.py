"""Takes the weights that a run starts from out of other runs.

config.similarity names the run of the frozen Dis of a VAE_Dis_l, and
config.init_from the one whose networks this run goes on to train; each a run,
one of its checkpoints, or an exported model. Both are read before the first
step only: afterwards, a run restores its own checkpoints. Steps, optimizer
states and draws start anew.
"""

from __future__ import annotations

import logging
import pathlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from vaegan_jax.config import build, schema
from vaegan_jax.core import train_state
from vaegan_jax.distributed import parallel, processes
from vaegan_jax.runs import checkpoints, config_file, exports, serialisation

_LOGGER = logging.getLogger(__name__)

_LISTED = 6  # arrays that do not fit
# Settings that decide the shapes of arrays, apart from those of a network.
_SHAPING = ('conditional', 'latent_size', 'width', 'data.size', 'data.channels')
_OF_NETWORKS = ('channels', 'hidden')


class Weights(NamedTuple):
  """Networks out of other runs.

  Attributes:
    networks: of each network, the fields of a NetworkState that are replaced.
    origins: what came from where, a row in JSON types for each run.
  """

  networks: dict[str, dict[str, Any]]
  origins: list[dict[str, Any]]


class _Other(NamedTuple):
  """The weights of another run, and the setting that names it."""

  setting: str
  path: pathlib.Path
  config: schema.Config
  step: int
  networks: dict[str, train_state.NetworkState]

  def origin(self, names: tuple[str, ...]) -> dict[str, Any]:
    return {
      'setting': self.setting,
      'run': str(self.path),
      'step': self.step,
      'networks': list(names),
    }


def read(config: build.Config, like: train_state.TrainState) -> Weights:
  """Reads the weights that a run starts from, if its config names some.

  Args:
    config: the settings of the run.
    like: a state of it, or the shapes and types of one.

  Raises:
    ValueError: the folder holds no such run, or the networks do not fit; with
      the settings and the arrays that differ.
  """
  weights = Weights({}, [])
  for setting, take in (('init_from', _trained), ('similarity', _given)):
    if config[setting]:
      taken = take(_open(config, setting), config, like)
      weights.networks.update(taken.networks)
      weights.origins.extend(taken.origins)
  return weights


def is_needed(config: build.Config) -> bool:
  """Returns whether a run starts from weights of other runs."""
  return bool(config.init_from or config.similarity)


def adopt(
  state: train_state.TrainState, weights: Weights | None
) -> train_state.TrainState:
  """Returns an initial state with the weights of other runs.

  All processes must call it.

  Args:
    state: the initial state, on the devices.
    weights: in process 0; None in the others.
  """
  like = {name: _replaceable(net) for name, net in state.networks.items()}
  if weights is None:
    leaves = serialisation.empty_leaves(like)
  else:
    mine = jax.device_get(parallel.local(like))
    for name, fields in weights.networks.items():
      mine[name] |= fields
    leaves = [np.asarray(x) for x in jax.tree.leaves(mine)]
    _log(weights, state)
  leaves = processes.broadcast_from_primary(leaves)
  placed = serialisation.place(leaves, like=like)
  networks = {
    name: network.replace(**placed[name])
    for name, network in state.networks.items()
  }
  return state.replace(networks=networks)


def _log(weights: Weights, state: train_state.TrainState) -> None:
  for origin in weights.origins:
    _LOGGER.info(
      'The weights of %s are those of %s at step %d (config.%s).',
      ', '.join(origin['networks']),
      origin['run'],
      origin['step'],
      origin['setting'],
    )
  if fresh := sorted(state.networks.keys() - weights.networks.keys()):
    _LOGGER.info('The weights of %s are random.', ', '.join(fresh))


def _replaceable(network: train_state.NetworkState) -> dict[str, Any]:
  """Returns the fields of a network that weights may replace."""
  names = ('params', 'batch_stats', 'average')
  fields = {name: getattr(network, name) for name in names}
  return {name: x for name, x in fields.items() if x is not None}


def _open(config: build.Config, setting: str) -> _Other:
  """Reads what a setting names: a checkpoint of a run, or a model."""
  path = pathlib.Path(config[setting])
  try:
    if exports.exists(path):
      model = exports.read(path)
      networks = {
        name: train_state.NetworkState(**variables, opt_state=(), updates=0)
        for name, variables in model.variables.items()
      }
      return _Other(setting, path, model.config, model.step, networks)
    run, step = checkpoints.split(path)
    theirs = config_file.read(run)
    saved = checkpoints.load(run, step=step)
  except FileNotFoundError as error:
    raise ValueError(
      f'config.{setting} = {path}: expected the folder of a run, with its '
      'config.json and checkpoints/, or checkpoints/STEP in it, or an exported '
      f'model: {error}'
    ) from error
  networks = {
    name: train_state.NetworkState(**network)
    for name, network in saved.state['networks'].items()
  }
  return _Other(setting, path, theirs, saved.step, networks)


def _trained(
  other: _Other, config: build.Config, like: train_state.TrainState
) -> Weights:
  """Takes the networks that both runs learn or have."""
  names = tuple(n for n in build.model(config).learned if n in other.networks)
  _check_fit(other, config, like, names=names)
  networks = {name: dict(other.networks[name].evaluated()) for name in names}
  # A run without an average starts from the one there; another keeps both.
  for name in names:
    if like.networks[name].average is not None:
      network = other.networks[name]
      networks[name] = network.variables() | {'average': network.evaluated()}
  return Weights(networks, [other.origin(names)])


def _given(
  other: _Other, config: build.Config, like: train_state.TrainState
) -> Weights:
  """Takes the network that VAE_Dis_l keeps fixed."""
  model = build.model(config)
  [name] = set(model.networks()) - set(model.learned)
  if name not in other.networks:
    raise ValueError(
      f'config.similarity = {other.path} is a run of {other.config.model!r}, '
      f'which has no {name}: give the folder of a gan or a vaegan'
    )
  if config.data.source != other.config.data.source:
    raise ValueError(
      f'config.similarity = {other.path} has data of '
      f'{other.config.data.source}, and this run {config.data.source}: give '
      'both runs the same config.data'
    )
  if other.step < other.config.steps:
    raise ValueError(
      f'config.similarity = {other.path} is at step {other.step} of '
      f'{other.config.steps}: train it to its end first'
    )
  _check_fit(other, config, like, names=(name,))
  network = dict(other.networks[name].evaluated())
  return Weights({name: network}, [other.origin((name,))])


def _check_fit(
  other: _Other,
  config: build.Config,
  like: train_state.TrainState,
  *,
  names: tuple[str, ...],
) -> None:
  """Refuses networks whose arrays or attributes are others than this run's."""
  arrays = [
    f'{name}/{line}'
    for name in names
    for line in serialisation.differences(
      other.networks[name].variables(), like.networks[name].variables()
    )
  ]
  settings = [*_differing(other.config, config, names=names)]
  same_attributes = config.conditional == other.config.conditional
  if not arrays and (same_attributes or not config.conditional):
    return
  more = len(arrays) - _LISTED
  lines = settings + arrays[:_LISTED]
  lines += [f'and {more} more'] if more > 0 else []
  listed = '\n'.join(f'  {line}' for line in lines)
  raise ValueError(
    f'config.{other.setting} = {other.path} does not fit this run:\n{listed}\n'
    f'Give both runs the same settings, or leave config.{other.setting} out.'
  )


def _differing(
  there: build.Config, here: build.Config, *, names: tuple[str, ...]
) -> Iterator[str]:
  """Yields the settings of two runs that decide shapes, and differ."""
  old, new = schema.flatten(there), schema.flatten(here)
  of_networks = [f'{n}.{part}' for n in names for part in _OF_NETWORKS]
  for name in (*_SHAPING, *of_networks):
    if name in new and old.get(name) != new[name]:
      yield f'config.{name}: {old.get(name)!r} there, {new[name]!r} here'
