"""The three losses of the paper as pure functions of arrays.

Each is one value an image, in nats, summed over features: the authors'
reduction, on which the size of gamma depends. All arithmetic is float32 or
wider, whatever the inputs are.
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
  """Computes what each latent dimension adds to L_prior, in nats."""
  mean, log_var = _float32(mean), _float32(log_var)
  # expm1 keeps digits where the posterior is close to the prior.
  return 0.5 * (jnp.square(mean) + jnp.expm1(log_var) - log_var)


def llike(
  x_l: Float[Array, 'batch *features'],
  x_tilde_l: Float[Array, 'batch *features'],
) -> Float[Array, ' batch']:
  """Computes L_llike = -log N(Dis_l(x) | Dis_l(x_tilde), I), in nats.

  0.5 * sum((x_l - x_tilde_l)^2) over all features. The normalising constant,
  log(2 pi) / 2 a feature, is left out: it has no gradient, and would hide the
  part that training changes.

  Source: equation 7 and 8 of the paper, with the log that Algorithm 1 forgets.
  """
  difference = _float32(x_l) - _float32(x_tilde_l)
  return 0.5 * jnp.square(difference).reshape(len(difference), -1).sum(-1)


def real(
  logits: Float[Array, ' batch'], *, epsilon: float = 0.0
) -> Float[Array, ' batch']:
  """Computes -log Dis(x), in nats: what a discriminator pays for real images.

  Args:
    logits: of Dis, before its sigmoid.
    epsilon: added inside the logarithm; the authors' code adds 1e-3, which
      bounds the loss and its gradient.
  """
  return _negative_log_sigmoid(_float32(logits), epsilon)


def generated(
  logits: Float[Array, ' batch'], *, epsilon: float = 0.0
) -> Float[Array, ' batch']:
  """Computes -log(1 - Dis(x)), in nats: what it pays for generated images."""
  return _negative_log_sigmoid(-_float32(logits), epsilon)


def _negative_log_sigmoid(logits: Array, epsilon: float) -> Array:
  if not epsilon:
    # Finite for every logit, where log(sigmoid) underflows beyond -88.
    return jax.nn.softplus(-logits)
  return -jnp.log(jax.nn.sigmoid(logits) + epsilon)


def _float32(x: Array) -> Array:
  return x.astype(jnp.promote_types(x.dtype, jnp.float32))
