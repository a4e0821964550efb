"""One training step: a pure function of (state, batch).

pixels -> images -> the gradient of each network's objective -> which networks
may move -> a new state. The three updates are simultaneous: all gradients are
those of the old state.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import NamedTuple, Protocol, TypeAlias, runtime_checkable

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Float32, PyTree, UInt8

from vaegan_jax.core import (
  algorithm,
  architecture,
  augmentation,
  forward,
  metrics,
  objectives,
  train_state,
)
from vaegan_jax.core.equilibrium import Equilibrium

Metrics: TypeAlias = dict[str, Array]
# (pixels, the draws of each image) -> images in [-1, 1]
Augment: TypeAlias = Callable[[Array, Array], Array]


@runtime_checkable
class Batch(Protocol):
  """The images of a step; `attributes` matter to conditional networks only."""

  @property
  def pixels(self) -> UInt8[Array, 'batch height width channels']: ...  # noqa: D102
  @property
  def attributes(self) -> Float32[Array, 'batch attributes'] | None: ...  # noqa: D102


class Draws(NamedTuple):
  """The standard normal draws of a step, a row per image."""

  augmentation: Float[Array, 'batch draws']
  noise: forward.Noise


@dataclasses.dataclass(frozen=True, eq=False)
class TrainStep:
  """(state, batch) -> (state, metrics), and the three parts it consists of.

  Attributes:
    networks: the modules.
    optimizers: an optax transformation for each learned network, whose update
      takes the run's `step`.
    objective: what is minimised.
    augment: makes images of pixels.
    equilibrium: decides which networks are updated; None: all of them.
    average_decay: of the exponential average of the decoder, if it has one.
    average_ramps: whether the average moves faster at first, to forget initial
      parameters that are random.
    recompute: whether to recompute activations to save memory.
  """

  networks: architecture.Networks
  optimizers: Mapping[str, optax.GradientTransformationExtraArgs]
  objective: objectives.Objective
  augment: Augment
  equilibrium: Equilibrium | None = None
  average_decay: float = 0.0
  average_ramps: bool = True
  recompute: bool = False

  def __call__(
    self, state: train_state.TrainState, batch: Batch
  ) -> tuple[train_state.TrainState, Metrics]:
    """Does one step. See `update` for the metrics."""
    draws = self.draw(state, len(batch.pixels))
    return self.update(state, self.descend(state, batch, draws))

  def draw(self, state: train_state.TrainState, rows: int) -> Draws:
    """Draws the random numbers for a batch of so many images."""
    # All at once: each draw is a dozen loops for XLA to compile.
    latent = self.networks.latent
    drawn = jax.random.normal(
      jax.random.fold_in(state.key, state.step),
      (rows, augmentation.DRAWS + 2 * latent),
    )
    for_images, *noise = jnp.split(
      drawn, [augmentation.DRAWS, augmentation.DRAWS + latent], axis=1
    )
    return Draws(for_images, forward.Noise(*noise))

  def descend(
    self, state: train_state.TrainState, batch: Batch, draws: Draws
  ) -> algorithm.Descent:
    """Evaluates Algorithm 1."""
    networks = forward.Forward(
      self.networks,
      {name: network.variables() for name, network in state.networks.items()},
      self.augment(batch.pixels, draws.augmentation),
      draws.noise,
      self.objective,
      batch.attributes if self.networks.attributes else None,
    )
    return algorithm.descend(networks, recompute=self.recompute)

  def update(
    self, state: train_state.TrainState, descent: algorithm.Descent
  ) -> tuple[train_state.TrainState, Metrics]:
    """Updates the networks that the equilibrium allows, all at once.

    Returns:
      the new state, and metrics, which are scalars: the terms in nats per
      image, those of the diagnostics, and for each learned network
      'gradient_norm' (of its objective summed over the batch, before weight
      decay), 'updated' (1 or 0) and 'updates' (the number so far).
    """
    logged = descent.terms.present() | descent.diagnostics.metrics()
    networks, allowed = dict(state.networks), self._allowed(descent)
    for name, gradient in descent.gradients.items():
      old = state.networks[name]
      new = _update(old, gradient, self.optimizers[name], step=state.step)
      kept = _select(allowed[name], new, old)
      networks[name] = _average(
        kept.replace(batch_stats=descent.batch_stats[name]),
        decay=self.average_decay,
        ramps=self.average_ramps,
      )
      logged |= {
        metrics.GRADIENT_NORM[name].name: optax.tree.norm(
          train_state.joined(gradient)
        ),
        metrics.UPDATED[name].name: allowed[name].astype(jnp.float32),
        metrics.UPDATES[name].name: kept.updates,
      }
    return state.replace(step=state.step + 1, networks=networks), logged

  def _allowed(self, descent: algorithm.Descent) -> dict[str, Bool[Array, '']]:
    """Returns whether to update each network."""
    if self.equilibrium:
      return self.equilibrium.allowed(descent.terms)
    return dict.fromkeys(descent.gradients, jnp.array(True))


def _update(
  network: train_state.NetworkState,
  gradient: PyTree,
  optimizer: optax.GradientTransformationExtraArgs,
  *,
  step: Array,
) -> train_state.NetworkState:
  updates, opt_state = optimizer.update(
    gradient, network.opt_state, network.params, step=step
  )
  return network.replace(
    params=optax.apply_updates(network.params, updates),
    opt_state=opt_state,
    updates=network.updates + 1,
  )


def _select(allowed: Bool[Array, ''], new: PyTree, old: PyTree) -> PyTree:
  """Returns the new tree if allowed, else the old one bit for bit."""
  return jax.tree.map(lambda n, o: jax.lax.select(allowed, n, o), new, old)


def _average(
  network: train_state.NetworkState, *, decay: float, ramps: bool
) -> train_state.NetworkState:
  """Moves the average; at first faster if it ramps."""
  if network.average is None:
    return network
  updates = network.updates.astype(jnp.float32)
  ramped = jnp.minimum(decay, updates / (10 + updates)) if ramps else decay
  return network.replace(
    average=optax.incremental_update(
      network.variables(), network.average, 1 - ramped
    )
  )
