"""A strided convolution as one of stride 1, over phases as channels.

A map's phases are its pixels of equal position modulo the stride. Over them, as
stride * stride times the channels, `convolve` is a convolution of stride 1 with
a smaller kernel, and `transpose` one with that kernel turned around. Even a
convolution of stride 1 may gain by phases: `blocks`.

Sizes are those of convolution.py.
"""

from __future__ import annotations

import itertools

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array

LAYOUT = ('NHWC', 'HWIO', 'NHWC')
_BLOCK = 2


def padding(size: int, stride: int) -> tuple[int, int]:
  """Pads so that n pixels become n / stride; the spare one is last."""
  total = size - stride
  return total // 2, total - total // 2


def taps(size: int, stride: int) -> int:
  """Counts the places of the folded kernel, in each direction."""
  _, after = padding(size, stride)
  return 2 * -(-after // stride) + 1


def front(size: int, stride: int) -> int:
  """Counts the zeros before the kernel, were it as wide as what folds it."""
  return stride * (taps(size, stride) // 2) - padding(size, stride)[0]


def split(x: Array, stride: int) -> Array:
  """Makes a map's phases channels."""
  batch, height, width, channels = x.shape
  rows, columns = height // stride, width // stride
  x = x.reshape(batch, rows, stride, columns, stride, channels)
  return x.swapaxes(2, 3).reshape(batch, rows, columns, -1)


def join(phases: Array, stride: int) -> Array:
  """Undoes `split`."""
  batch, rows, columns, channels = phases.shape
  channels //= stride**2
  x = phases.reshape(batch, rows, columns, stride, stride, channels)
  return x.swapaxes(2, 3).reshape(
    batch, rows * stride, columns * stride, channels
  )


def fold(
  kernel: Array, stride: int, *, before: tuple[int, int] | None = None
) -> Array:
  """Folds a kernel into the one that sees phases; places it lacks are zero.

  Args:
    kernel: to be folded.
    stride: how many phases there are in each direction.
    before: the zeros above and left of it; those of `front` if None.

  Returns:
    [taps, taps, stride * stride * large, small].
  """
  size, _, large, small = kernel.shape
  count = taps(size, stride)
  around = [
    (zeros, count * stride - size - zeros)
    for zeros in before or (front(size, stride),) * 2
  ]
  kernel = jnp.pad(kernel, (*around, (0, 0), (0, 0)))
  kernel = kernel.reshape(count, stride, count, stride, large, small)
  return kernel.swapaxes(1, 2).reshape(count, count, -1, small)


def transpose(y: Array, kernel: Array, *, stride: int) -> Array:
  """Maps back by one convolution of XLA's, for few channels."""
  return join(_convolve(y, turned(fold(kernel, stride))), stride)


def blocks(x: Array, kernel: Array) -> Array:
  """Convolves with stride 1, from blocks of 2x2 pixels to such blocks.

  A block's pixels are channels of one, on both sides. For few channels: 1.44
  times the products (of a 5x5 kernel), by far fuller loops.

  Args:
    x: a map of even height and width.
    kernel: of odd size.
  """
  # One pixel more is seen before than with stride 2; and each output of a block
  # sees its inputs one pixel further on.
  first = front(len(kernel), _BLOCK) - 1
  folded = [
    fold(kernel, _BLOCK, before=(first + i, first + j))
    for i, j in itertools.product(range(_BLOCK), repeat=2)
  ]
  return join(_convolve(split(x, _BLOCK), jnp.concatenate(folded, -1)), _BLOCK)


def turned(kernel: Array) -> Array:
  """Turns a kernel around: with stride 1 it makes the transpose."""
  return kernel[::-1, ::-1].swapaxes(2, 3)


def _convolve(x: Array, kernel: Array) -> Array:
  return lax.conv_general_dilated(
    x, kernel, (1, 1), 'SAME', dimension_numbers=LAYOUT
  )
