"""Batch normalisation and ReLU, with gradients that save memory.

The gradient of the normalisation is computed from its input and the statistics
of the batch, that of ReLU from its output, which the next layer keeps anyway.
Automatic differentiation would keep another copy of the maps for each of them
(docs/performance.md).
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn
from jax import lax
from jaxtyping import Array, Float

_MOMENTUM = 0.9


class BatchNorm(nn.Module):
  """Normalises each channel over the batch and over space.

  Variables and running statistics are those of flax.linen.BatchNorm with a
  momentum of 0.9; the variance is biased.

  Attributes:
    epsilon: added to the variance.
    axis_name: the mapped axis over which the batch is split, if any.

  Source: Ioffe and Szegedy, Batch normalization, ICML 2015.
  """

  epsilon: float
  axis_name: str | None = None

  @nn.compact
  def __call__(
    self, x: Float[Array, '*batch channels'], *, train: bool
  ) -> Float[Array, '*batch channels']:
    """Uses the batch's statistics if `train`, else the running ones."""
    channels = x.shape[-1:]
    scale = self.param('scale', nn.initializers.ones, channels)
    bias = self.param('bias', nn.initializers.zeros, channels)
    mean = self.variable('batch_stats', 'mean', jnp.zeros, channels)
    var = self.variable('batch_stats', 'var', jnp.ones, channels)
    if not train:
      running = Moments(mean.value, var.value)
      return _standardise(x, running, scale, bias, epsilon=self.epsilon)
    y, batch = normalise(x, scale, bias, self.epsilon, self.axis_name)
    if not self.is_initializing():
      for old, new in ((mean, batch.mean), (var, batch.variance)):
        old.value = _MOMENTUM * old.value + (1 - _MOMENTUM) * new
    return y


class Moments(NamedTuple):
  """Mean and variance of each channel, in float32 or wider."""

  mean: Float[Array, ' channels']
  variance: Float[Array, ' channels']


@functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def normalise(
  x: Float[Array, '*batch channels'],
  scale: Float[Array, ' channels'],
  bias: Float[Array, ' channels'],
  epsilon: float,
  axis_name: str | None,
) -> tuple[Float[Array, '*batch channels'], Moments]:
  """Computes scale (x - mean) / sqrt(variance + epsilon) + bias.

  Returns:
    the result, in the dtype of x, and the moments of the batch. The moments
    are constants: no gradient flows back through them.
  """
  moments = _moments(x, axis_name)
  return _standardise(x, moments, scale, bias, epsilon=epsilon), moments


def _forward(x, scale, bias, epsilon, axis_name):
  y, moments = normalise(x, scale, bias, epsilon, axis_name)
  return (y, moments), (x, moments, scale)


def _backward(epsilon, axis_name, saved, cotangents):
  x, moments, scale = saved
  cotangent, _ = cotangents
  inverse = lax.rsqrt(moments.variance + epsilon)
  x_wide = x.astype(moments.mean.dtype)
  g = cotangent.astype(moments.mean.dtype)
  # n = (x - mean) / deviation is never computed; its sums follow from x's.
  g_sum, gx_sum = _sums(g, g * x_wide)
  gn_sum = inverse * (gx_sum - moments.mean * g_sum)
  g_mean, gn_mean = _means(g_sum, gn_sum, count=_count(x), axis_name=axis_name)
  # scale / deviation * (g - mean(g) - n * mean(g n)), linear in g and x.
  slope = inverse * gn_mean
  offset = moments.mean * slope - g_mean
  gradient = scale * inverse * (g - slope * x_wide + offset)
  return gradient.astype(x.dtype), gn_sum, g_sum


normalise.defvjp(_forward, _backward)


@jax.custom_vjp
def relu(x: Float[Array, '*shape']) -> Float[Array, '*shape']:
  """Computes max(x, 0), with gradient 0 at 0."""
  return jnp.maximum(x, 0)


relu.defvjp(
  lambda x: (relu(x),) * 2,
  lambda y, g: (jnp.where(y > 0, g, jnp.zeros_like(g)),),
)


def _moments(x: Array, axis_name: str | None) -> Moments:
  """Computes the moments in float32 or wider, from E[x] and E[x^2]."""
  x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
  mean, square = _means(*_sums(x, x * x), count=_count(x), axis_name=axis_name)
  return Moments(mean, jnp.maximum(square - mean**2, 0))


def mean_square(
  x: Float[Array, '*batch channels'], *, axis_name: str | None
) -> Float[Array, ' channels']:
  """Computes the mean square of each channel, in float32 or wider."""
  x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
  (square,) = _means(*_sums(x * x), count=_count(x), axis_name=axis_name)
  return square


def _standardise(
  x: Array, moments: Moments, scale: Array, bias: Array, *, epsilon: float
) -> Array:
  factor = scale * lax.rsqrt(moments.variance + epsilon)
  return ((x - moments.mean) * factor + bias).astype(x.dtype)


def _sums(*maps: Array) -> list[Array]:
  """Sums over all axes but the last."""
  return [x.sum(tuple(range(x.ndim - 1))) for x in maps]


def _means(
  *sums: Array, count: int, axis_name: str | None
) -> tuple[Array, ...]:
  """Divides sums by the count and averages over the mapped axis."""
  means = tuple(total / count for total in sums)
  return means if axis_name is None else lax.pmean(means, axis_name)


def _count(x: Array) -> int:
  return x.size // x.shape[-1]
