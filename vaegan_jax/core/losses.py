"""The three losses of the paper as pure functions of arrays.

Each returns one value per image, in nats, summed over features: the authors'
reduction, on which the scale of gamma depends. All arithmetic is in float32 or
wider, whatever the dtype of the inputs.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def prior(
  mean: Float[Array, 'batch latent'], log_var: Float[Array, 'batch latent']
) -> Float[Array, ' batch']:
  """Computes L_prior = KL(q(z|x) || N(0, I)) of a diagonal Gaussian, in nats.

  0.5 * sum(mean^2 + exp(log_var) - 1 - log_var), summed over the latent axis.

  Source: section 2.1 of the paper; Kingma and Welling (2014), appendix B.
  """
  return prior_by_dimension(mean, log_var).sum(-1)


def prior_by_dimension(
  mean: Float[Array, 'batch latent'], log_var: Float[Array, 'batch latent']
) -> Float[Array, 'batch latent']:
  """Computes the contribution of each latent dimension to L_prior, in nats."""
  mean, log_var = _float32(mean), _float32(log_var)
  # expm1 avoids cancellation where the posterior is close to the prior.
  return 0.5 * (jnp.square(mean) + jnp.expm1(log_var) - log_var)


def llike(
  x_l: Float[Array, 'batch *features'],
  x_tilde_l: Float[Array, 'batch *features'],
) -> Float[Array, ' batch']:
  """Computes L_llike = -log N(Dis_l(x) | Dis_l(x_tilde), I), in nats.

  0.5 * sum((x_l - x_tilde_l)^2) over all features. The normalising constant,
  log(2 pi) / 2 per feature, is omitted: it has no gradient, and would dominate
  the part that training changes.

  Source: equations 7 and 8 of the paper; Algorithm 1 omits the logarithm.
  """
  difference = _float32(x_l) - _float32(x_tilde_l)
  return 0.5 * jnp.square(difference).reshape(len(difference), -1).sum(-1)


def real(
  logits: Float[Array, ' batch'], *, epsilon: float = 0.0
) -> Float[Array, ' batch']:
  """Computes -log Dis(x), in nats: the cross entropy of real images.

  Args:
    logits: output of Dis, before the sigmoid.
    epsilon: added inside the logarithm; 1e-3 in the authors' code, which bounds
      the loss and its gradient.
  """
  return _negative_log_sigmoid(_float32(logits), epsilon)


def generated(
  logits: Float[Array, ' batch'], *, epsilon: float = 0.0
) -> Float[Array, ' batch']:
  """Computes -log(1 - Dis(x)), in nats: that of generated images."""
  return _negative_log_sigmoid(-_float32(logits), epsilon)


def _negative_log_sigmoid(logits: Array, epsilon: float) -> Array:
  if not epsilon:
    # Finite for every logit; log(sigmoid) underflows below -88.
    return jax.nn.softplus(-logits)
  return -jnp.log(jax.nn.sigmoid(logits) + epsilon)


def _float32(x: Array) -> Array:
  return x.astype(jnp.promote_types(x.dtype, jnp.float32))
