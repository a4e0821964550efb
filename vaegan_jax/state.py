"""TrainState: all that a run carries from one step to the next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct
from jaxtyping import PRNGKeyArray

from vaegan_jax import networks as nets

NAMES = ('encoder', 'decoder', 'discriminator')


class NetworkState(struct.PyTreeNode):
  """One network. Transformations fill it with more than arrays: Any.

  Attributes:
    params: what its optimizer changes.
    statistics: the running statistics of its batch normalisations.
    optimizer: the state of its own optax transformation.
    updates: how often it was updated, int32 []; less where the equilibrium
      rule skipped it.
    average: exponential average of its 'params' and 'batch_stats', or None.
  """

  params: Any
  statistics: Any
  optimizer: optax.OptState
  updates: Any
  average: Any = None

  def variables(self) -> dict[str, Any]:
    """Gives what Flax's `apply` takes."""
    return {'params': self.params, 'batch_stats': self.statistics}

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


def initialise(
  networks: nets.Networks,
  optimizers: Mapping[str, optax.GradientTransformation],
  *,
  key: PRNGKeyArray,
  averaged: bool = False,
) -> TrainState:
  """Makes the state before the first step.

  Args:
    networks: the modules.
    optimizers: an optax transformation for each network's name.
    key: decides the initial parameters and every later draw.
    averaged: whether an exponential average of the decoder is kept.
  """
  initial, run = jax.random.split(key)
  shape = networks.decoder.shape
  examples = {
    'encoder': jnp.zeros((1, *shape)),
    'decoder': jnp.zeros((1, networks.encoder.latent)),
    'discriminator': jnp.zeros((1, *shape)),
  }

  def one(name: str, key: PRNGKeyArray) -> NetworkState:
    network = getattr(networks, name)
    variables = network.init(key, examples[name], train=False)
    return NetworkState(
      params=variables['params'],
      statistics=variables['batch_stats'],
      optimizer=optimizers[name].init(variables['params']),
      updates=jnp.zeros((), jnp.int32),
      # A copy: the step takes the memory of its state, piece by piece.
      average=jax.tree.map(jnp.copy, variables)
      if averaged and name == 'decoder'
      else None,
    )

  keys = jax.random.split(initial, len(NAMES))
  return TrainState(
    step=jnp.zeros((), jnp.int32),
    key=run,
    networks={n: one(n, k) for n, k in zip(NAMES, keys, strict=True)},
  )
