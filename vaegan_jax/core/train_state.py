"""TrainState: all that a run carries from one step to the next."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TypeAlias

import jax
import jax.numpy as jnp
import optax
from flax import struct
from flax.typing import VariableDict
from jaxtyping import Array, Bool, PRNGKeyArray, PyTree

from vaegan_jax.core import architecture

# The leaves of a state: arrays, or what a transformation puts in their place,
# such as shapes, shardings and host copies.
Leaf: TypeAlias = PyTree


class NetworkState(struct.PyTreeNode):
  """One network.

  Attributes:
    params: what its optimizer updates.
    batch_stats: the running statistics of its batch normalisations.
    opt_state: the state of its own optax transformation; () for a network that
      does not learn.
    updates: the number of its updates, int32 []; fewer than the steps where
      the equilibrium rule skips it.
    average: exponential average of its 'params' and 'batch_stats', or None.
  """

  params: PyTree
  batch_stats: PyTree
  opt_state: optax.OptState
  updates: Leaf
  average: PyTree = None

  def variables(self) -> dict[str, PyTree]:
    """Returns what Flax's `apply` takes."""
    return {'params': self.params, 'batch_stats': self.batch_stats}

  def evaluated(self) -> VariableDict:
    """Returns the variables for evaluation: the average where there is one."""
    return self.variables() if self.average is None else self.average


class TrainState(struct.PyTreeNode):
  """A run between two steps.

  Attributes:
    step: the number of steps done, int32 [].
    key: the run's typed key; a step draws from fold_in(key, step).
    networks: the state of each network by name.
  """

  step: Leaf
  key: Leaf
  networks: dict[str, NetworkState]


def not_finite(state: TrainState) -> tuple[str, ...]:
  """Names the parts of networks that hold a NaN or an infinity.

  Not all of them show in the losses: an infinite second moment stops its weight
  for ever, an infinite bias saturates the tanh of Dec, and running statistics
  are used in evaluation only.

  Returns:
    names such as 'decoder/opt_state', network by network.
  """
  finite = jax.device_get(_finite(state.networks))
  return tuple(
    f'{network}/{part}'
    for network in architecture.NAMES
    for part, is_finite in finite.get(network, {}).items()
    if not is_finite
  )


@jax.jit
def _finite(
  networks: dict[str, NetworkState],
) -> dict[str, dict[str, Bool[Array, '']]]:
  """Returns whether each part is finite; only this leaves the devices."""
  return {
    name: {
      field.name: _all_finite(getattr(network, field.name))
      for field in dataclasses.fields(network)
    }
    for name, network in networks.items()
  }


def _all_finite(tree: PyTree) -> Bool[Array, '']:
  return jnp.array([jnp.isfinite(x).all() for x in joined(tree)]).all()


def joined(tree: PyTree) -> list[Array]:
  """Lists a tree's leaves; all vectors and scalars are joined into one.

  XLA compiles an operation once per leaf, and most leaves are vectors.
  """
  leaves = jax.tree.leaves(tree)
  small = [jnp.ravel(x) for x in leaves if x.ndim < 2]
  large = [x for x in leaves if x.ndim > 1]
  return [*large, jnp.concatenate(small)] if small else large


def initialise(
  networks: architecture.Networks,
  optimizers: Mapping[str, optax.GradientTransformation],
  *,
  key: PRNGKeyArray,
  averaged: bool = False,
) -> TrainState:
  """Makes the state before the first step.

  Args:
    networks: the modules.
    optimizers: an optax transformation for the name of each learned network;
      the others have no optimizer state.
    key: decides the initial parameters and every later draw.
    averaged: whether an exponential average of the decoder is kept.
  """
  init_key, run_key = jax.random.split(key)
  # A network's key does not depend on which others there are.
  split = jax.random.split(init_key, len(architecture.NAMES))
  keys = dict(zip(architecture.NAMES, split, strict=True))

  def one(name: str) -> NetworkState:
    variables = _init(networks, name, keys[name])
    optimizer = optimizers.get(name)
    opt_state = optimizer.init(variables['params']) if optimizer else ()
    state = _state(variables, opt_state)
    if averaged and name == 'decoder':
      # A copy, as the step donates each array of its state by itself.
      state = state.replace(average=jax.tree.map(jnp.copy, variables))
    return state

  return TrainState(
    step=jnp.zeros((), jnp.int32),
    key=run_key,
    networks={name: one(name) for name in networks.present()},
  )


def _init(
  networks: architecture.Networks, name: str, key: PRNGKeyArray
) -> VariableDict:
  is_decoder = name == 'decoder'
  shape = (networks.latent,) if is_decoder else networks.decoder.shape
  inputs = [jnp.zeros((1, *shape))]
  if networks.attributes:
    inputs.append(jnp.zeros((1, networks.attributes)))
  return networks.present()[name].init(key, *inputs, train=False)


def _state(variables: VariableDict, opt_state: optax.OptState) -> NetworkState:
  return NetworkState(
    params=variables['params'],
    batch_stats=variables['batch_stats'],
    opt_state=opt_state,
    updates=jnp.zeros((), jnp.int32),
  )
