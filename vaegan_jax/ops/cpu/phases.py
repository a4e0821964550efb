"""A strided convolution as one of stride 1, with phases as channels.

A phase of a map consists of the pixels of equal position modulo the stride.
With the stride * stride phases as channels (space_to_depth), `convolve` is a
convolution of stride 1 with a smaller kernel, and `transpose` one with the
adjoint of that kernel. `convolve_blocks` applies this to stride 1.

Axis sizes are named as in convolution.py.
"""

from __future__ import annotations

import itertools
from typing import TypeAlias

import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

LargeMap: TypeAlias = Float[Array, 'batch large_height large_width large']
SmallMap: TypeAlias = Float[Array, 'batch small_height small_width small']
Kernel: TypeAlias = Float[Array, 'k k large small']

LAYOUT = ('NHWC', 'HWIO', 'NHWC')
_BLOCK = 2


def padding(size: int, stride: int) -> tuple[int, int]:
  """Returns the padding from n pixels to n / stride; an odd one goes last."""
  total = size - stride
  return total // 2, total - total // 2


def folded_size(size: int, stride: int) -> int:
  """Returns the height and width of a folded kernel."""
  _, after = padding(size, stride)
  return 2 * -(-after // stride) + 1


def zeros_before(size: int, stride: int) -> int:
  """Returns the number of zeros before a kernel that is to be folded."""
  return stride * (folded_size(size, stride) // 2) - padding(size, stride)[0]


def split(x: Array, stride: int) -> Array:
  """Maps [n, h * stride, w * stride, c] to [n, h, w, stride, stride, c]."""
  batch, height, width, channels = x.shape
  rows, columns = height // stride, width // stride
  x = x.reshape(batch, rows, stride, columns, stride, channels)
  return x.swapaxes(2, 3)


def space_to_depth(x: Array, stride: int) -> Array:
  """Maps [n, h * stride, w * stride, c] to [n, h, w, stride * stride * c]."""
  x = split(x, stride)
  return x.reshape(*x.shape[:3], -1)


def depth_to_space(phases: Array, stride: int) -> Array:
  """Inverts `space_to_depth`."""
  batch, rows, columns, channels = phases.shape
  channels //= stride**2
  x = phases.reshape(batch, rows, columns, stride, stride, channels)
  return x.swapaxes(2, 3).reshape(
    batch, rows * stride, columns * stride, channels
  )


def fold(
  kernel: Kernel, stride: int, *, before: tuple[int, int] | None = None
) -> Float[Array, 'folded folded large_phases small']:
  """Folds a kernel into one that takes phases as channels.

  Args:
    kernel: kernel of the strided convolution; it is padded with zeros.
    stride: number of phases in each direction.
    before: zeros above and left of the kernel; `zeros_before` if None.
  """
  size, _, large, small = kernel.shape
  count = folded_size(size, stride)
  pads = [
    (zeros, count * stride - size - zeros)
    for zeros in before or (zeros_before(size, stride),) * 2
  ]
  kernel = jnp.pad(kernel, (*pads, (0, 0), (0, 0)))
  kernel = kernel.reshape(count, stride, count, stride, large, small)
  return kernel.swapaxes(1, 2).reshape(count, count, -1, small)


def transpose(y: SmallMap, kernel: Kernel, *, stride: int) -> LargeMap:
  """Computes convolution.transpose, for few channels."""
  x = _convolve(y, adjoint_kernel(fold(kernel, stride)))
  return depth_to_space(x, stride)


def convolve_blocks(x: LargeMap, kernel: Kernel) -> SmallMap:
  """Convolves with stride 1, from blocks of 2x2 pixels to such blocks.

  The pixels of a block are channels, of the input and of the output. With few
  channels a 5x5 kernel needs 1.44 times the products, in much fuller loops.
  Height and width of the map must be even, the size of the kernel odd.
  """
  # The padding before is one more than with stride 2, and the inputs of each
  # output of a block start one pixel later.
  first = zeros_before(len(kernel), _BLOCK) - 1
  folded = [
    fold(kernel, _BLOCK, before=(first + i, first + j))
    for i, j in itertools.product(range(_BLOCK), repeat=2)
  ]
  y = _convolve(space_to_depth(x, _BLOCK), jnp.concatenate(folded, -1))
  return depth_to_space(y, _BLOCK)


def adjoint_kernel(kernel: Kernel) -> Float[Array, 'k k small large']:
  """Rotates by 180 degrees: the kernel of the transpose, with stride 1."""
  return kernel[::-1, ::-1].swapaxes(2, 3)


def _convolve(x: Array, kernel: Array) -> Array:
  return lax.conv_general_dilated(
    x, kernel, (1, 1), 'SAME', dimension_numbers=LAYOUT
  )
