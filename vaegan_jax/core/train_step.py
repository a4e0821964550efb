"""One step of training: a pure function of (state, batch).

pixels -> images -> what each network descends -> which networks may move ->
a new state. The three updates are simultaneous: all gradients are those of the
old state.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool

from vaegan_jax.core import (
  algorithm,
  architecture,
  augmentation,
  objectives,
  train_state,
)
from vaegan_jax.core.equilibrium import Equilibrium
from vaegan_jax.distributed import parallel

# (pixels, what was drawn for each image) -> images in [-1, 1]
Augment = Callable[[Array, Array], Array]


def make(
  networks: architecture.Networks,
  optimizers: Mapping[str, optax.GradientTransformationExtraArgs],
  *,
  objective: objectives.Objective,
  augment: Augment,
  equilibrium: Equilibrium | None = None,
  average_decay: float = 0.0,
  recompute: bool = False,
) -> parallel.Step:
  """Makes the step of a run.

  Args:
    networks: the modules.
    optimizers: an optax transformation for each network that learns, whose
      update takes the run's `step`.
    objective: what is minimised.
    augment: makes images of pixels.
    equilibrium: when networks are skipped; None: never.
    average_decay: of the exponential average of the decoder, if it has one.
    recompute: whether activations are computed again to save memory.

  Returns:
    (state, batch, *, axis) -> (state, metrics). The batch has `pixels`, and
    `attributes` for conditional networks. The metrics are scalars: the terms
    in nats an image, what objectives.Diagnostics makes of the whole batch, and
    for each network that learns 'gradient_norm' (of its objective summed over
    the batch, before weight decay), 'updated' (1 or 0) and 'updates' (how
    often so far).
  """

  def step(state, batch, *, axis=None):
    descent = _descend(
      networks,
      state,
      batch,
      objective=objective,
      augment=augment,
      recompute=recompute,
      axis=axis,
    )
    moved = dict(state.networks)
    metrics = descent.terms.present() | descent.diagnostics.metrics()
    for name, gradients in descent.gradients.items():
      network = state.networks[name]
      updated = _update(network, gradients, optimizers[name], step=state.step)
      allowed = _allowed(name, descent.terms, equilibrium)
      kept = _choose(allowed, updated, network)
      moved[name] = _average(
        kept.replace(statistics=descent.statistics[name]), average_decay
      )
      metrics[f'{name}/gradient_norm'] = optax.tree.norm(
        train_state.joined(gradients)
      )
      metrics[f'{name}/updated'] = allowed.astype(jnp.float32)
      metrics[f'{name}/updates'] = kept.updates
    return state.replace(step=state.step + 1, networks=moved), metrics

  return step


def _descend(
  networks: architecture.Networks,
  state: train_state.TrainState,
  batch: Any,
  *,
  objective: objectives.Objective,
  augment: Augment,
  recompute: bool,
  axis: str | None,
) -> algorithm.Descent:
  """Evaluates Algorithm 1 for the whole batch, wherever its rows are."""
  rows = len(batch.pixels) * (jax.lax.axis_size(axis) if axis else 1)
  latent = networks.latent
  # All at once: each draw is a dozen loops for XLA to compile.
  drawn = jax.random.normal(
    jax.random.fold_in(state.key, state.step),
    (rows, augmentation.DRAWS + 2 * latent),
  )
  for_images, *noise = jnp.split(
    parallel.local_rows(drawn, axis=axis),
    [augmentation.DRAWS, augmentation.DRAWS + latent],
    axis=1,
  )
  descent = algorithm.descend(
    networks.over(axis),
    {name: network.variables() for name, network in state.networks.items()},
    augment(batch.pixels, for_images),
    noise=algorithm.Noise(*noise),
    objective=objective,
    attributes=batch.attributes if networks.attributes else None,
    recompute=recompute,
  )
  return descent._replace(
    terms=parallel.mean(descent.terms, axis=axis),
    diagnostics=parallel.mean(descent.diagnostics, axis=axis),
    gradients=parallel.total(descent.gradients, axis=axis),
  )


def _allowed(
  name: str, terms: objectives.Terms, equilibrium: Equilibrium | None
) -> Bool[Array, '']:
  if equilibrium is None:
    return jnp.array(True)
  return equilibrium.allowed(terms)[name]


def _update(
  network: train_state.NetworkState,
  gradients: Any,
  optimizer: optax.GradientTransformationExtraArgs,
  *,
  step: Array,
) -> train_state.NetworkState:
  updates, optimizer_state = optimizer.update(
    gradients, network.optimizer, network.params, step=step
  )
  return network.replace(
    params=optax.apply_updates(network.params, updates),
    optimizer=optimizer_state,
    updates=network.updates + 1,
  )


def _choose(allowed: Array, new: Any, old: Any) -> Any:
  """Takes the new state if allowed, else the old one bit for bit."""
  return jax.tree.map(lambda n, o: jax.lax.select(allowed, n, o), new, old)


def _average(
  network: train_state.NetworkState, decay: Any
) -> train_state.NetworkState:
  """Moves the average; young ones move faster, to forget where they began."""
  if network.average is None:
    return network
  updates = network.updates.astype(jnp.float32)
  decay = jnp.minimum(decay, updates / (10 + updates))
  return network.replace(
    average=optax.incremental_update(
      network.variables(), network.average, 1 - decay
    )
  )
