"""Work on a few images at a time, so that what is made of them stays cached."""

from __future__ import annotations

import math
from collections.abc import Callable

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array


def size(batch: int, rows: int, *, aim: int) -> int:
  """Finds how many images, dividing the batch, come closest to so many rows.

  Args:
    batch: images.
    rows: of a product, an image.
    aim: rows of a product that suit the machine.
  """
  divisors = [n for n in range(1, batch + 1) if batch % n == 0]
  return min(divisors, key=lambda n: abs(math.log(n * rows / aim)))


def mapped(
  form: Callable[[Array], Array],
  maps: Array,
  *,
  shape: tuple[int, ...],
  group: int,
) -> Array:
  """Applies a form to `group` images at a time.

  Args:
    form: makes of images as many maps, of the same type.
    maps: the images.
    shape: of what the form makes of one.
    group: divides the images.
  """
  batch = len(maps)
  if group == batch:
    return form(maps)

  def put(i, made):
    some = lax.dynamic_slice_in_dim(maps, i * group, group)
    return lax.dynamic_update_slice_in_dim(made, form(some), i * group, 0)

  # Of any number of the maps: a constant would be made at the step's start,
  # and once for all, and held and copied until it is wanted.
  room = jnp.full((batch, *shape), maps[(0,) * maps.ndim])
  return lax.fori_loop(0, batch // group, put, room)


def summed(
  form: Callable[[Array, Array], Array],
  x: Array,
  y: Array,
  *,
  shape: tuple[int, ...],
  group: int,
) -> Array:
  """Sums what a form makes of `group` images of x and of y at a time.

  The sum has that shape, and the type of x, or float32 where x is narrower.
  """
  batch = len(x)
  if group == batch:
    return form(x, y)

  def add(i, total):
    some = [lax.dynamic_slice_in_dim(a, i * group, group) for a in (x, y)]
    return total + form(*some)

  zero = jnp.zeros(shape, jnp.promote_types(x.dtype, jnp.float32))
  return lax.fori_loop(0, batch // group, add, zero)
