"""TrainState: all that a run carries from one step to the next."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import struct
from jax import lax
from jax.experimental import multihost_utils
from jaxtyping import Array, Bool, PRNGKeyArray, UInt32

from vaegan_jax.core import architecture


class NetworkState(struct.PyTreeNode):
  """One network. Transformations fill it with more than arrays: Any.

  Attributes:
    params: what its optimizer changes.
    batch_stats: the running statistics of its batch normalisations.
    opt_state: the state of its own optax transformation; () of a network that
      does not learn.
    updates: how often it was updated, int32 []; less where the equilibrium
      rule skipped it.
    average: exponential average of its 'params' and 'batch_stats', or None.
  """

  params: Any
  batch_stats: Any
  opt_state: optax.OptState
  updates: Any
  average: Any = None

  def variables(self) -> dict[str, Any]:
    """Gives what Flax's `apply` takes."""
    return {'params': self.params, 'batch_stats': self.batch_stats}

  def evaluated(self) -> dict[str, Any]:
    """Gives the variables to evaluate with: the average where there is one."""
    return self.variables() if self.average is None else self.average


class TrainState(struct.PyTreeNode):
  """A run between two steps.

  Attributes:
    step: the number of steps done, int32 [].
    key: the run's typed key; a step draws from fold_in(key, step).
    networks: the state of each network by name.
  """

  step: Any
  key: Any
  networks: dict[str, NetworkState]


def not_finite(state: TrainState) -> tuple[str, ...]:
  """Names the parts of networks that hold a NaN or an infinity.

  Not each shows in the losses: an infinite second moment merely stops its
  weight for ever, an infinite bias before the tanh of Dec saturates it, and a
  running statistic waits for evaluation.

  Returns:
    such as 'decoder/opt_state', network by network.
  """
  finite = jax.device_get(_finite(state.networks))
  return tuple(
    f'{network}/{part}'
    for network in architecture.NAMES
    for part, is_finite in finite.get(network, {}).items()
    if not is_finite
  )


@jax.jit
def _finite(networks: dict[str, NetworkState]) -> dict[str, dict[str, Any]]:
  """Says of each part whether it is finite: one small program, once compiled.

  Only its answers leave the devices.
  """
  return {
    name: {
      field.name: _all_finite(getattr(network, field.name))
      for field in dataclasses.fields(network)
    }
    for name, network in networks.items()
  }


def _all_finite(tree: Any) -> Bool[Array, '']:
  return jnp.array([jnp.isfinite(x).all() for x in joined(tree)]).all()


def joined(tree: Any) -> list[Array]:
  """Lists a tree's leaves, with vectors and scalars joined to one.

  XLA compiles apart what is done to each leaf, and most are vectors.
  """
  leaves = jax.tree.leaves(tree)
  small = [jnp.ravel(x) for x in leaves if x.ndim < 2]
  large = [x for x in leaves if x.ndim > 1]
  return [*large, jnp.concatenate(small)] if small else large


def devices_apart(state: TrainState) -> tuple[int, ...]:
  """Numbers the devices whose copy of the state is not that of most.

  Each keeps the whole state and does the same to it; so a copy that differs in
  one bit tells of a device that computes wrongly, or of a fault in the program.
  All processes of a run must call this at the same step.
  """
  if len(state.step.sharding.device_set) == 1:
    return ()
  sums = _sums(state)
  shards = sorted(sums.addressable_shards, key=lambda shard: shard.device.id)
  rows = [(shard.device.id, *np.asarray(shard.data)) for shard in shards]
  ids, *columns = multihost_utils.process_allgather(
    np.array(rows, np.uint32), tiled=True
  ).T
  copies = list(zip(*(column.tolist() for column in columns), strict=True))
  most = max(copies, key=copies.count)
  return tuple(
    int(i) for i, copy in zip(ids, copies, strict=True) if copy != most
  )


@jax.jit
def _sums(state: TrainState) -> UInt32[Array, ' leaves']:
  """Adds up the bits of each array: on each device those of its own copy."""
  leaves = jax.tree.leaves(state)
  return jnp.stack([_bits(leaf).sum(dtype=jnp.uint32) for leaf in leaves])


def _bits(x: Array) -> UInt32[Array, '...']:
  if jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key):
    x = jax.random.key_data(x)
  if x.dtype == jnp.bool_:
    return x.astype(jnp.uint32)
  return lax.bitcast_convert_type(x, jnp.uint32)


def initialise(
  networks: architecture.Networks,
  optimizers: Mapping[str, optax.GradientTransformation],
  *,
  key: PRNGKeyArray,
  averaged: bool = False,
  given: Mapping[str, Any] | None = None,
) -> TrainState:
  """Makes the state before the first step.

  Args:
    networks: the modules.
    optimizers: an optax transformation for the name of each that learns.
    key: decides the initial parameters and every later draw.
    averaged: whether an exponential average of the decoder is kept.
    given: the 'params' and 'batch_stats' of networks that do not learn.
  """
  initial, run = jax.random.split(key)
  condition = (
    (jnp.zeros((1, networks.attributes)),) if networks.attributes else ()
  )
  images = jnp.zeros((1, *networks.decoder.shape))
  examples = {
    'encoder': images,
    'decoder': jnp.zeros((1, networks.latent)),
    'discriminator': images,
  }

  def one(name: str, key: PRNGKeyArray) -> NetworkState:
    if given and name in given:
      return _state(given[name], ())
    network = networks.present()[name]
    variables = network.init(key, examples[name], *condition, train=False)
    opt_state = optimizers[name].init(variables['params'])
    state = _state(variables, opt_state)
    if averaged and name == 'decoder':
      # A copy: the step takes the memory of its state, piece by piece.
      state = state.replace(average=jax.tree.map(jnp.copy, variables))
    return state

  # A network begins alike whichever others there are.
  keys = dict(
    zip(
      architecture.NAMES,
      jax.random.split(initial, len(architecture.NAMES)),
      strict=True,
    )
  )
  return TrainState(
    step=jnp.zeros((), jnp.int32),
    key=run,
    networks={name: one(name, keys[name]) for name in networks.present()},
  )


def _state(
  variables: Mapping[str, Any], opt_state: optax.OptState
) -> NetworkState:
  return NetworkState(
    params=variables['params'],
    batch_stats=variables['batch_stats'],
    opt_state=opt_state,
    updates=jnp.zeros((), jnp.int32),
  )
