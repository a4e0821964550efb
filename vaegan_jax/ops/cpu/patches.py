"""The weight gradient of narrow layers, as a product of patches (im2col).

Let P(x) list the patches of a map as rows. The kernel's cotangent is P(x)' y,
computed in chunks of the batch so that the patches stay in the cache.

Axis sizes are named as in convolution.py.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

from vaegan_jax.ops.cpu import blocking, phases
from vaegan_jax.ops.cpu.phases import Kernel, LargeMap, SmallMap

# Rows of a product, measured on two cores (python -m benchmarks.convolutions):
# enough to fill the registers, few enough for the cache.
_TARGET_ROWS = 512


def weight_gradient(
  x: LargeMap, y: SmallMap, *, size: int, stride: int
) -> Kernel:
  """Computes P(x)' y."""
  if stride == 1 and y.shape[-1] < x.shape[-1]:
    # With the roles of x and y exchanged there are fewer patches.
    return phases.adjoint_kernel(weight_gradient(y, x, size=size, stride=1))
  batch, height, width, small = y.shape

  def for_chunk(x, y):
    patches = _patches(x, size=size, stride=stride)
    # XLA's product is slower by a third if both operands are row-major.
    y = lax.optimization_barrier(y.reshape(-1, small).T)
    return jnp.matmul(
      y,
      patches.reshape(y.shape[1], -1),
      preferred_element_type=jnp.promote_types(y.dtype, jnp.float32),
    )

  chunk_size = blocking.best_size(batch, height * width, target=_TARGET_ROWS)
  large = x.shape[-1]
  shape = (small, size**2 * large)
  total = blocking.sum_chunks(for_chunk, x, y, shape=shape, size=chunk_size)
  return total.T.reshape(size, size, large, small).astype(x.dtype)


def _patches(x: Array, *, size: int, stride: int) -> Array:
  """Lists the inputs of each output, [batch, height, width, patch]."""
  height, width = (n // stride for n in x.shape[1:3])
  padding = phases.padding(size, stride)
  x = jnp.pad(x, ((0, 0), padding, padding, (0, 0)))
  rows, columns = (stride * (n - 1) + 1 for n in (height, width))
  across = [x[:, :, j : j + columns : stride] for j in range(size)]
  x = jnp.concatenate(across, -1)  # [batch, height, width, size * channels]
  down = [x[:, i : i + rows : stride] for i in range(size)]
  return jnp.concatenate(down, -1)
