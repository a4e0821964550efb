"""An optax transformation per network, and the learning rate's schedule.

The learning rate is a function of the run's step, not of how often a network
was updated: the equilibrium rule skips updates, time goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

Schedule = Callable[[Any], Any]

# Whose kernels are not decayed: the latent heads, as in the authors' code.
_UNDECAYED = ('mean', 'log_var')


def schedule(
  start: float, stop: float, *, steps: int, power: float, epoch: int
) -> Schedule:
  """Makes the authors' schedule: constant within an epoch, falling to `stop`.

  start - (e / (steps / epoch))^power * (start - stop) in epoch e. With start =
  stop it is constant.

  Args:
    start: learning rate of the first epoch.
    stop: the one that would follow the last epoch.
    steps: of the whole run.
    power: 0.75 in the authors' code; 1 is a straight line.
    epoch: steps an epoch: the learning rate changes every so many.

  Source: deeppy's GammaAnnealer as the authors' aegan.py calls it.
  """
  if start <= 0 or stop < 0 or steps < 1 or epoch < 1 or power <= 0:
    raise ValueError(
      f'learning rate from {start} to {stop} over {steps} steps in epochs of '
      f'{epoch}, power {power}: expected start > 0, stop >= 0, steps >= 1, '
      'epoch >= 1, power > 0'
    )

  def rate(step):
    done = jnp.minimum(step // epoch * epoch / steps, 1.0)
    return start - done**power * (start - stop)

  return rate


def rmsprop(
  rate: Schedule, *, decay: float = 0.9, weight_decay: float = 0.0
) -> optax.GradientTransformationExtraArgs:
  """Makes the authors' RMSProp: epsilon 1e-8 outside the root, no momentum.

  The accumulator starts at 0 without correction, so the first update is up to
  1 / sqrt(1 - decay) = 3.2 learning rates.
  """
  return optax.chain(
    _decay_weights(weight_decay),
    optax.scale_by_rms(
      decay=decay, eps=1e-8, initial_scale=0.0, eps_in_sqrt=False
    ),
    _scale_by_rate(rate),
  )


def adam(
  rate: Schedule, *, b1: float = 0.9, b2: float = 0.999, weight_decay: float = 0
) -> optax.GradientTransformationExtraArgs:
  """Makes Adam (Kingma and Ba, 2015), epsilon 1e-8."""
  return optax.chain(
    _decay_weights(weight_decay),
    optax.scale_by_adam(b1=b1, b2=b2),
    _scale_by_rate(rate),
  )


def _decay_weights(strength: float) -> optax.GradientTransformation:
  """Adds the gradient of strength * |W|^2 for kernels, not the latent heads."""

  def decayed(params):
    return jax.tree_util.tree_map_with_path(
      lambda path, _: (
        path[-1].key == 'kernel' and path[0].key not in _UNDECAYED
      ),
      params,
    )

  if not strength:
    return optax.identity()
  return optax.add_decayed_weights(2 * strength, mask=decayed)


def _scale_by_rate(rate: Schedule) -> optax.GradientTransformationExtraArgs:
  """Multiplies by minus the learning rate at the step given to `update`."""

  def update(updates, state, params=None, *, step, **_):
    del params
    return optax.tree.scale(-rate(step), updates), state

  return optax.GradientTransformationExtraArgs(
    lambda _: optax.EmptyState(), update
  )
