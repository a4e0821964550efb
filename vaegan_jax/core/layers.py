"""The layers of which the three networks are built.

They compute in the type of their input, whatever it is, but for the statistics
of a batch: those are float32. Parameters and running statistics are float32,
and so are their gradients, cast where the parameter was.
"""

from __future__ import annotations

import functools

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array

from vaegan_jax.ops import convolution, normalisation

KERNEL = 5

# Uniform within 1 / sqrt(3 fan_in), the authors' AutoFiller. A kernel is
# [height, width, large, small]; for the transposed layers too they count the
# channels of the larger map as the fan-in.
_INITIAL = nn.initializers.variance_scaling(1 / 9, 'fan_in', 'uniform')


class Convolution(nn.Module):
  """Applies a 5x5 convolution ('down'), or its transpose ('up')."""

  channels: int
  stride: int = 2
  direction: str = 'down'
  bias: bool = False

  @nn.compact
  def __call__(self, x: Array) -> Array:
    """Maps [batch, height, width, channels] to smaller or larger maps."""
    down = self.direction == 'down'
    large, small = x.shape[-1], self.channels
    if not down:
      large, small = small, large
    shape = (KERNEL, KERNEL, large, small)
    kernel = self.param('kernel', _INITIAL, shape, jnp.float32)
    function = convolution.convolve if down else convolution.transpose
    x = function(x, kernel.astype(x.dtype), self.stride)
    if self.bias:
      bias = self.param('bias', nn.initializers.zeros, (self.channels,))
      x = x + bias.astype(x.dtype)
    return x


Dense = functools.partial(
  nn.Dense, kernel_init=_INITIAL, bias_init=nn.initializers.zeros
)


class Normalise(nn.Module):
  """Normalises a batch (over space too) and applies ReLU.

  With `axis_name` the batch is the one spread over a mapped axis of that name.
  """

  axis_name: str | None = None

  @nn.compact
  def __call__(self, x: Array, *, train: bool) -> Array:
    """Normalises by the batch's statistics, or by the running ones."""
    x = normalisation.BatchNorm(
      epsilon=1e-6 if x.ndim == 4 else 1e-5,
      axis_name=self.axis_name,
      name='batch_norm',
    )(x, train=train)
    return normalisation.relu(x)


def join(x: Array, attributes: Array | None) -> Array:
  """Flattens each item, and appends its attributes where there are any."""
  x = x.reshape(len(x), -1)
  if attributes is None:
    return x
  return jnp.concatenate([x, attributes.astype(x.dtype)], axis=1)
