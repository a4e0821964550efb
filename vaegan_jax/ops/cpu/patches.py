"""The weight gradient of narrow layers, as a product over patches.

With P the linear map that lists the patches of a map, one row for each place of
the kernel, the kernel's cotangent is P(x)' y. It is made for a few images at a
time, so that their patches never leave the cache.

Sizes are those of convolution.py.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from vaegan_jax.ops.cpu import groups, phases

# Rows of a product, measured on two cores (python -m benchmarks.convolutions):
# enough to fill the registers, few enough for the cache.
_ROWS = 512


def weight_gradient(x: Array, y: Array, *, size: int, stride: int) -> Array:
  """Computes P(x)' y."""
  if stride == 1 and y.shape[-1] < x.shape[-1]:
    # The same with the roles exchanged lists fewer patches.
    return phases.turned(weight_gradient(y, x, size=size, stride=1))
  batch, height, width, small = y.shape

  def few(x, y):
    patches = _patches(x, size=size, stride=stride)
    # A product along the rows of both runs at two thirds.
    y = lax.optimization_barrier(y.reshape(-1, small).T)
    return jnp.matmul(
      y,
      patches.reshape(y.shape[1], -1),
      preferred_element_type=jnp.promote_types(y.dtype, jnp.float32),
    )

  group = groups.size(batch, height * width, aim=_ROWS)
  large = x.shape[-1]
  shape = (small, size**2 * large)
  total = groups.summed(few, x, y, shape=shape, group=group)
  return total.T.reshape(size, size, large, small).astype(x.dtype)


def _patches(x: Array, *, size: int, stride: int) -> Array:
  """Lists what each output sees: [batch, height, width, taps * channels]."""
  height, width = (n // stride for n in x.shape[1:3])
  around = phases.padding(size, stride)
  x = jnp.pad(x, ((0, 0), around, around, (0, 0)))
  rows, columns = (stride * (n - 1) + 1 for n in (height, width))
  across = [x[:, :, j : j + columns : stride] for j in range(size)]
  x = jnp.concatenate(across, -1)
  down = [x[:, i : i + rows : stride] for i in range(size)]
  return jnp.concatenate(down, -1)
