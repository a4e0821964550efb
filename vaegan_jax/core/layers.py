"""The layers of the three networks.

A layer computes in the dtype of its input, except for the statistics of a
batch, which are float32. Parameters, running statistics and gradients are
float32.
"""

from __future__ import annotations

import functools
from typing import Literal

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from vaegan_jax.ops import convolution, normalisation

KERNEL = 5
# Epsilons of batch normalisation, after convolutions and after dense layers.
EPSILON_MAPS, EPSILON_DENSE = 1e-6, 1e-5

# The authors' AutoFiller: uniform within 1 / sqrt(3 fan_in). A kernel is
# [height, width, large, small], and the fan-in is that of the large map, for
# transposed convolutions too.
_INITIAL = nn.initializers.variance_scaling(1 / 9, 'fan_in', 'uniform')


class Convolution(nn.Module):
  """Applies a 5x5 convolution ('down'), or its transpose ('up')."""

  channels: int
  stride: int = 2
  direction: Literal['down', 'up'] = 'down'
  bias: bool = False

  @nn.compact
  def __call__(
    self, x: Float[Array, 'batch height width channels']
  ) -> Float[Array, 'batch new_height new_width new_channels']:
    """Divides or multiplies height and width by the stride."""
    down = self.direction == 'down'
    large, small = x.shape[-1], self.channels
    if not down:
      large, small = small, large
    shape = (KERNEL, KERNEL, large, small)
    kernel = self.param('kernel', _INITIAL, shape, jnp.float32)
    apply = convolution.convolve if down else convolution.transpose
    x = apply(x, kernel.astype(x.dtype), self.stride)
    if self.bias:
      bias = self.param('bias', nn.initializers.zeros, (self.channels,))
      # In float32, so that its gradient, a sum over maps, is one as well.
      x = (x + bias).astype(x.dtype)
    return x


Dense = functools.partial(
  nn.Dense, kernel_init=_INITIAL, bias_init=nn.initializers.zeros
)


class BatchNormRelu(nn.Module):
  """Applies batch normalisation, over space too for maps, and ReLU.

  With `axis_name` the batch is split over a mapped axis of that name.
  """

  axis_name: str | None = None

  @nn.compact
  def __call__(
    self, x: Float[Array, '*batch channels'], *, train: bool
  ) -> Float[Array, '*batch channels']:
    """Uses the batch's statistics if `train`, else the running ones."""
    x = normalisation.BatchNorm(
      epsilon=EPSILON_MAPS if x.ndim == 4 else EPSILON_DENSE,
      axis_name=self.axis_name,
      name='batch_norm',
    )(x, train=train)
    return normalisation.relu(x)


def join(
  x: Float[Array, 'batch *shape'], attributes: Float[Array, 'batch n'] | None
) -> Float[Array, 'batch features']:
  """Flattens each item and appends its attributes, if any."""
  x = x.reshape(len(x), -1)  # [batch, features]
  if attributes is None:
    return x
  return jnp.concatenate([x, attributes.astype(x.dtype)], axis=1)
