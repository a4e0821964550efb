"""An optax transformation per network, and the learning rate's schedule.

The learning rate depends on the run's step, not on the number of updates of a
network, so that updates skipped by the equilibrium rule do not delay it.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int, PyTree

# Layers without weight decay: the latent heads, as in the authors' code.
_UNDECAYED = ('mean', 'log_var')


def schedule(
  start: float, stop: float, *, steps: int, power: float, epoch: int
) -> optax.Schedule:
  """Returns the authors' schedule, which is constant within each epoch.

  It is start - (e / (steps / epoch))^power * (start - stop) in epoch e.

  Args:
    start: learning rate of the first epoch.
    stop: the limit, which the epoch after the last would reach.
    steps: number of steps of the whole run.
    power: 0.75 in the authors' code; 1 decays linearly.
    epoch: number of steps per epoch.

  Raises:
    ValueError: if an argument is out of its range.

  Source: deeppy's GammaAnnealer as the authors' aegan.py calls it.
  """
  if start <= 0 or stop < 0 or steps < 1 or epoch < 1 or power <= 0:
    raise ValueError(
      f'learning rate from {start} to {stop} over {steps} steps in epochs of '
      f'{epoch}, power {power}: expected start > 0, stop >= 0, steps >= 1, '
      'epoch >= 1, power > 0'
    )

  def rate(step: int | Int[Array, '']) -> Array:
    done = jnp.minimum(step // epoch * epoch / steps, 1.0)
    return start - done**power * (start - stop)

  return rate


def rmsprop(
  rate: optax.Schedule, *, decay: float = 0.9, weight_decay: float = 0.0
) -> optax.GradientTransformationExtraArgs:
  """Returns the authors' RMSProp: epsilon 1e-8 outside the root, no momentum.

  The accumulator starts at 0 without bias correction, so the first update is up
  to 1 / sqrt(1 - decay) = 3.2 learning rates.
  """
  return optax.chain(
    _decay_weights(weight_decay),
    optax.scale_by_rms(
      decay=decay, eps=1e-8, initial_scale=0.0, eps_in_sqrt=False
    ),
    _scale_by_rate(rate),
  )


def adam(
  rate: optax.Schedule,
  *,
  b1: float = 0.9,
  b2: float = 0.999,
  weight_decay: float = 0,
) -> optax.GradientTransformationExtraArgs:
  """Returns Adam (Kingma and Ba, 2015) with epsilon 1e-8."""
  return optax.chain(
    _decay_weights(weight_decay),
    optax.scale_by_adam(b1=b1, b2=b2),
    _scale_by_rate(rate),
  )


def _decay_weights(strength: float) -> optax.GradientTransformation:
  """Adds the gradient of strength * |W|^2, except for the latent heads."""

  def mask(params: PyTree) -> PyTree:
    return jax.tree_util.tree_map_with_path(
      lambda path, _: (
        path[-1].key == 'kernel' and path[0].key not in _UNDECAYED
      ),
      params,
    )

  if not strength:
    return optax.identity()
  return optax.add_decayed_weights(2 * strength, mask=mask)


def _scale_by_rate(
  rate: optax.Schedule,
) -> optax.GradientTransformationExtraArgs:
  """Scales by the negative learning rate of the `step` passed to `update`."""

  def update(updates, state, params=None, *, step, **_):
    del params
    return optax.tree.scale(-rate(step), updates), state

  return optax.GradientTransformationExtraArgs(
    lambda _: optax.EmptyState(), update
  )
