"""Convolutions as a CPU likes them: products over patches, or phases.

The exact sums of convolution.py, in an order that suits caches and registers.
With P the linear map that lists the patches of a map, one row for each place of
the kernel,

    convolve          P(x) K
    transpose         P'(y K')              P', K': transposes of P and K
    weight_gradient   P(x)' y

made for a few images at a time, so that their patches never leave the cache.
With few channels one convolution that makes all phases of the transpose
(outputs of equal position modulo the stride) as channels is faster.

Sizes are those of convolution.py; docs/performance.md says what each form
gains.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

LAYOUT = ('NHWC', 'HWIO', 'NHWC')
# Rows of a product, measured on two cores (python -m benchmarks.convolutions):
# enough to fill the registers, few enough for the cache.
_ROWS, _ROWS_WEIGHTS = 256, 512


def padding(size: int, stride: int) -> tuple[int, int]:
  """Pads so that n pixels become n / stride; the spare one is last."""
  total = size - stride
  return total // 2, total - total // 2


def convolve(x: Array, kernel: Array, *, stride: int) -> Array:
  """Computes P(x) K."""
  size, _, _, small = kernel.shape
  matrix = kernel.reshape(-1, small)

  def few(x):
    patches = _patches(x, size=size, stride=stride)
    return (patches.reshape(-1, len(matrix)) @ matrix).reshape(
      *patches.shape[:3], small
    )

  return _in_groups(few, x, pixels=x.shape[1] * x.shape[2] // stride**2)


def transpose(y: Array, kernel: Array, *, stride: int) -> Array:
  """Computes P'(y K')."""
  small = y.shape[-1]
  matrix = kernel.reshape(-1, small).T

  def few(y):
    patches = (y.reshape(-1, small) @ matrix).reshape(
      *y.shape[:3], *kernel.shape[:3]
    )
    return _add_patches(patches, stride=stride)

  return _in_groups(few, y, pixels=y.shape[1] * y.shape[2])


def weight_gradient(x: Array, y: Array, *, size: int, stride: int) -> Array:
  """Computes P(x)' y, the kernel's cotangent."""
  if stride == 1 and y.shape[-1] < x.shape[-1]:
    # The same with the roles exchanged lists fewer patches.
    turned = weight_gradient(y, x, size=size, stride=1)
    return turned[::-1, ::-1].swapaxes(2, 3)
  batch, height, width, small = y.shape
  pixels = height * width
  group = _group(batch, pixels, rows=_ROWS_WEIGHTS)
  # Transposed once: a product along the rows of both runs at two thirds.
  y = y.reshape(-1, small).T

  def add(i, total):
    some = lax.dynamic_slice_in_dim(x, i * group, group)
    patches = _patches(some, size=size, stride=stride)
    rows = group * pixels
    y_few = lax.dynamic_slice_in_dim(y, i * rows, rows, axis=1)
    return total + y_few @ patches.reshape(rows, -1)

  zero = jnp.zeros((small, size * size * x.shape[-1]), x.dtype)
  total = lax.fori_loop(0, batch // group, add, zero)
  return total.T.reshape(size, size, x.shape[-1], small)


def transpose_by_phases(y: Array, kernel: Array, *, stride: int) -> Array:
  """Makes the phases of the outputs as channels; unused taps are zero."""
  size, _, large, _ = kernel.shape
  reach = (size + 1) // 4
  rows = np.full((2 * reach + 1, stride), size)  # the zeros behind the kernel
  for phase in range(stride):
    for tap, shift in _taps(size, stride, phase):
      rows[reach - shift, phase] = tap
  kernel = jnp.pad(kernel, ((0, 1), (0, 1), (0, 0), (0, 0)))
  # [shift, phase, shift, phase, large, small]
  kernel = kernel[rows][:, :, rows].transpose(0, 2, 5, 1, 3, 4)
  maps = lax.conv_general_dilated(
    y,
    kernel.reshape(*kernel.shape[:3], -1),
    (1, 1),
    'SAME',
    dimension_numbers=LAYOUT,
  )
  batch, height, width, _ = maps.shape
  maps = maps.reshape(batch, height, width, stride, stride, large)
  return maps.transpose(0, 1, 3, 2, 4, 5).reshape(
    batch, height * stride, width * stride, large
  )


def _patches(x: Array, *, size: int, stride: int) -> Array:
  """Lists what each output sees: [batch, height, width, taps * channels]."""
  height, width = (n // stride for n in x.shape[1:3])
  around = padding(size, stride)
  x = jnp.pad(x, ((0, 0), around, around, (0, 0)))
  rows, columns = (stride * (n - 1) + 1 for n in (height, width))
  across = [x[:, :, j : j + columns : stride] for j in range(size)]
  x = jnp.concatenate(across, -1)
  down = [x[:, i : i + rows : stride] for i in range(size)]
  return jnp.concatenate(down, -1)


def _add_patches(patches: Array, *, stride: int) -> Array:
  """Transposes `_patches`: adds each tap where it came from.

  Args:
    patches: [batch, height, width, size, size, channels].
    stride: 2.

  Returns:
    [batch, stride * height, stride * width, channels].
  """
  batch, height, width, size, _, channels = patches.shape
  taps = [_taps(size, stride, phase) for phase in range(stride)]

  def place(row: tuple[int, int], column: tuple[int, int]) -> Array:
    """Moves a tap's products by its shifts; what leaves the map is dropped."""
    (i, down), (j, right) = row, column
    moved = patches[:, :, :, i, j]
    moves = ((0, 0, 0), (down, -down, 0), (right, -right, 0), (0, 0, 0))
    return lax.pad(moved, jnp.zeros((), moved.dtype), moves)

  phases = [
    [sum(place(r, c) for r in rows for c in columns) for columns in taps]
    for rows in taps
  ]
  x = jnp.stack([jnp.stack(row, 3) for row in phases], 2)
  return x.reshape(batch, height * stride, width * stride, channels)


def _taps(size: int, stride: int, phase: int) -> list[tuple[int, int]]:
  """Lists the taps that reach outputs of a phase, with how far they move.

  Output stride * u + phase is the sum, over taps, of what tap t made of input
  u - shift.
  """
  before, _ = padding(size, stride)
  return [
    (tap, (tap - phase - before) // stride)
    for tap in range(size)
    if (tap - phase - before) % stride == 0
  ]


def _in_groups(
  form: Callable[[Array], Array], maps: Array, *, pixels: int
) -> Array:
  """Applies a form to a few images at a time, each of so many rows."""
  batch = len(maps)
  group = _group(batch, pixels, rows=_ROWS)
  few = jax.ShapeDtypeStruct((group, *maps.shape[1:]), maps.dtype)
  made = jax.eval_shape(form, few)

  def put(i, made):
    some = lax.dynamic_slice_in_dim(maps, i * group, group)
    return lax.dynamic_update_slice_in_dim(made, form(some), i * group, 0)

  room = lax.empty((batch, *made.shape[1:]), made.dtype)
  return lax.fori_loop(0, batch // group, put, room)


def _group(batch: int, pixels: int, *, rows: int) -> int:
  """Finds how many images, dividing the batch, come closest to so many rows."""
  divisors = [n for n in range(1, batch + 1) if batch % n == 0]
  return min(divisors, key=lambda n: abs(math.log(n * pixels / rows)))
