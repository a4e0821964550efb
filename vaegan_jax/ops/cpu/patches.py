"""The weight gradient of a layer of stride 1, as a product of patches (im2col).

Let P(y) list the patches of a map as rows. The cotangent of the kernel rotated
by 180 degrees is P(y)' x, computed in chunks of the batch so that the patches
stay in the cache. Few channels of y make few patches.

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


def weight_gradient(x: LargeMap, y: SmallMap, *, size: int) -> Kernel:
  """Computes the cotangent of the kernel, of stride 1."""
  batch, height, width, large = x.shape

  def for_chunk(x, y):
    patches = _patches(y, size=size)
    # XLA's product is slower by a third if both operands are row-major.
    x = lax.optimization_barrier(x.reshape(-1, large).T)
    return jnp.matmul(
      x,
      patches.reshape(x.shape[1], -1),
      preferred_element_type=jnp.promote_types(x.dtype, jnp.float32),
    )

  chunk_size = blocking.best_size(batch, height * width, target=_TARGET_ROWS)
  shape = (large, size**2 * y.shape[-1])
  total = blocking.sum_chunks(for_chunk, x, y, shape=shape, size=chunk_size)
  rotated = total.T.reshape(size, size, y.shape[-1], large).astype(x.dtype)
  return phases.adjoint_kernel(rotated)


def _patches(y: Array, *, size: int) -> Array:
  """Lists the neighbours of each pixel, [batch, height, width, patch]."""
  _, height, width, _ = y.shape
  padding = phases.padding(size, 1)
  y = jnp.pad(y, ((0, 0), padding, padding, (0, 0)))
  across = [y[:, :, j : j + width] for j in range(size)]
  y = jnp.concatenate(across, -1)  # [batch, height, width, size * channels]
  down = [y[:, i : i + height] for i in range(size)]
  return jnp.concatenate(down, -1)
