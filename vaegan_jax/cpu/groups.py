"""Work on a few images at a time, so that what is made of them stays cached."""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
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


def mapped(form: Callable[[Array], Array], maps: Array, *, group: int) -> Array:
  """Applies a form that maps images to images, `group` of them at a time."""
  batch = len(maps)
  if group == batch:
    return form(maps)
  few = jax.ShapeDtypeStruct((group, *maps.shape[1:]), maps.dtype)
  made = jax.eval_shape(form, few)

  def put(i, made):
    some = lax.dynamic_slice_in_dim(maps, i * group, group)
    return lax.dynamic_update_slice_in_dim(made, form(some), i * group, 0)

  # Of any number of the maps: a constant would be made at the step's start, and
  # once for all, and held and copied until it is wanted.
  some = maps[(0,) * maps.ndim].astype(made.dtype)
  room = jnp.full((batch, *made.shape[1:]), some)
  return lax.fori_loop(0, batch // group, put, room)


def summed(
  form: Callable[[Array, Array], Array], x: Array, y: Array, *, group: int
) -> Array:
  """Sums what a form makes of `group` images of x and of y at a time."""
  batch = len(x)
  if group == batch:
    return form(x, y)

  def some(i):
    return [lax.dynamic_slice_in_dim(a, i * group, group) for a in (x, y)]

  made = jax.eval_shape(lambda: form(*some(0)))
  zero = jnp.zeros(made.shape, made.dtype)
  return lax.fori_loop(
    0, batch // group, lambda i, total: total + form(*some(i)), zero
  )
