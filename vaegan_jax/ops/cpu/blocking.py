"""Loops over chunks of a batch, whose intermediate results fit the cache."""

from __future__ import annotations

import math
from collections.abc import Callable

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array


def best_size(batch: int, rows: int, *, target: int) -> int:
  """Returns the divisor of the batch with closest to `target` rows per chunk.

  Args:
    batch: number of images.
    rows: rows of a matrix product per image.
    target: rows of a product that suit the machine.
  """
  divisors = [n for n in range(1, batch + 1) if batch % n == 0]
  return min(divisors, key=lambda n: abs(math.log(n * rows / target)))


def map_chunks(
  function: Callable[[Array], Array],
  x: Array,
  *,
  shape: tuple[int, ...],
  size: int,
) -> Array:
  """Applies a function to `size` images at a time.

  Args:
    function: maps n images to n maps of the same dtype.
    x: [batch, ...].
    shape: shape of the function's result for one image.
    size: divides the batch.

  Returns:
    [batch, *shape].
  """
  batch = len(x)
  if size == batch:
    return function(x)

  def write_chunk(i, result):
    chunk = lax.dynamic_slice_in_dim(x, i * size, size)
    return lax.dynamic_update_slice_in_dim(result, function(chunk), i * size, 0)

  # Filled with a value of x: XLA would allocate a constant at the start of the
  # step, share it between loops, and copy it for each of them.
  result = jnp.full((batch, *shape), x[(0,) * x.ndim])
  return lax.fori_loop(0, batch // size, write_chunk, result)


def sum_chunks(
  function: Callable[[Array, Array], Array],
  x: Array,
  y: Array,
  *,
  shape: tuple[int, ...],
  size: int,
) -> Array:
  """Sums a function's results for `size` images of x and y at a time.

  Returns:
    an array of that shape, in the dtype of x or, if narrower, in float32.
  """
  batch = len(x)
  if size == batch:
    return function(x, y)

  def add_chunk(i, total):
    chunk = [lax.dynamic_slice_in_dim(a, i * size, size) for a in (x, y)]
    return total + function(*chunk)

  zero = jnp.zeros(shape, jnp.promote_types(x.dtype, jnp.float32))
  return lax.fori_loop(0, batch // size, add_chunk, zero)
