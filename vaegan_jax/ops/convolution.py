"""A strided convolution and its transpose, each the other's gradient.

`convolve` divides height and width by its stride, `transpose` multiplies them.
With the same kernel each is the input gradient of the other, so that one pair
of rules defines all derivatives, of any order.

The implementation depends on the platform. Accelerators run XLA's convolutions.
On a CPU some of those are up to ten times slower than they could be
(docs/performance.md); cpu/ replaces them. All implementations are exact: they
compute the sums that `lax` computes, in another order.

Layout: maps are [batch, height, width, channels], kernels are
[height, width, channels of the large map, channels of the small map].
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
from jax import lax
from jaxtyping import Array

from vaegan_jax.ops.cpu import patches, phases, winograd
from vaegan_jax.ops.cpu.phases import Kernel, LargeMap, SmallMap

# Winograd's transforms need more channels than this in both maps. Compared with
# 40 on the demo's networks only, where 40 made a step slower.
_MAX_FEW_CHANNELS = 16
# They also need more pixels than this, those of one tile, in the small map.
_MAX_FEW_PIXELS = 16
# With up to this many channels of the large map, `lax_convolve` is as fast as
# Winograd's (python -m benchmarks.convolutions), and compiles sooner.
_MAX_LAX_CHANNELS = 64
# XLA's weight gradient slides a kernel of the small map's size over the large
# map. With up to this many values in the small map, counting the narrower map's
# channels, it takes 0.5 to 1.1 of the time of Winograd's
# (docs/notes/performance-log.md).
_MAX_LAX_VALUES = 4096
# With fewer channels in a map, it is faster for any number of values.
_MIN_WINOGRAD_CHANNELS = 16
# With few input channels and up to this many products per tap, a convolution of
# stride 1 is faster by blocks (python -m benchmarks.convolutions).
_MAX_BLOCK_PRODUCTS = 96


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def convolve(x: LargeMap, kernel: Kernel, stride: int = 1) -> SmallMap:
  """Convolves with an odd square kernel, stride 1 or 2 and 'SAME' padding.

  Raises:
    ValueError: if height or width is not a multiple of the stride.
  """
  _check(kernel, stride)
  if x.shape[1] % stride or x.shape[2] % stride:
    raise ValueError(
      f'maps of {x.shape[1]}x{x.shape[2]} cannot be convolved with stride '
      f'{stride}: height and width must be multiples of it'
    )
  default = functools.partial(lax_convolve, stride=stride)
  cpu: Callable[[Array, Array], Array]
  _, _, large, small = kernel.shape
  pixels = x.shape[1] * x.shape[2] // stride**2
  if large > _MAX_LAX_CHANNELS and _suits_winograd(kernel, stride, pixels):
    cpu = functools.partial(winograd.convolve, stride=stride)
  elif stride == 1 and _suits_blocks(x.shape, small):
    cpu = phases.convolve_blocks
  else:
    return default(x, kernel)
  return lax.platform_dependent(x, kernel, cpu=cpu, default=default)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def transpose(y: SmallMap, kernel: Kernel, stride: int = 1) -> LargeMap:
  """Applies the transpose of `convolve` with the same kernel and stride.

  The paper's "backward convolution", also called fractionally strided.
  """
  _check(kernel, stride)
  if stride == 1:
    return convolve(y, phases.adjoint_kernel(kernel), 1)
  default = functools.partial(lax_transpose, stride=stride)
  pixels = y.shape[1] * y.shape[2]
  module = winograd if _suits_winograd(kernel, stride, pixels) else phases
  cpu = functools.partial(module.transpose, stride=stride)
  return lax.platform_dependent(y, kernel, cpu=cpu, default=default)


def weight_gradient(
  x: LargeMap, y: SmallMap, *, size: int, stride: int
) -> Kernel:
  """Computes the kernel's cotangent of `convolve` or of `transpose`.

  Args:
    x: input of `convolve`, or cotangent of the output of `transpose`.
    y: cotangent of the output of `convolve`, or input of `transpose`.
    size: height and width of the kernel.
    stride: 1 or 2.
  """
  default = functools.partial(lax_weight_gradient, size=size, stride=stride)
  narrower = min(x.shape[3], y.shape[3])
  many = y.shape[1] * y.shape[2] * narrower > _MAX_LAX_VALUES
  cpu: Callable[[Array, Array], Array]
  if stride == 1 and y.shape[3] < x.shape[3]:
    cpu = functools.partial(patches.weight_gradient, size=size)
  elif (
    winograd.fits(size, stride) and many and narrower >= _MIN_WINOGRAD_CHANNELS
  ):
    cpu = functools.partial(winograd.weight_gradient, size=size, stride=stride)
  else:
    return default(x, y)
  return lax.platform_dependent(x, y, cpu=cpu, default=default)


def _convolve_forward(x, kernel, stride):
  return convolve(x, kernel, stride), (x, kernel)


def _convolve_backward(stride, saved, cotangent):
  x, kernel = saved
  return (
    transpose(cotangent, kernel, stride),
    weight_gradient(x, cotangent, size=kernel.shape[0], stride=stride),
  )


def _transpose_forward(y, kernel, stride):
  return transpose(y, kernel, stride), (y, kernel)


def _transpose_backward(stride, saved, cotangent):
  y, kernel = saved
  return (
    convolve(cotangent, kernel, stride),
    weight_gradient(cotangent, y, size=kernel.shape[0], stride=stride),
  )


convolve.defvjp(_convolve_forward, _convolve_backward)
transpose.defvjp(_transpose_forward, _transpose_backward)


def _suits_winograd(kernel: Kernel, stride: int, pixels: int) -> bool:
  """Returns whether Winograd's algorithm applies a kernel.

  Args:
    kernel: the kernel.
    stride: 1 or 2.
    pixels: pixels of the small map.
  """
  size, _, large, small = kernel.shape
  wide = min(large, small) > _MAX_FEW_CHANNELS and pixels > _MAX_FEW_PIXELS
  return wide and winograd.fits(size, stride)


def _suits_blocks(x: tuple[int, ...], outputs: int) -> bool:
  """Returns whether maps of a shape are convolved in blocks."""
  _, height, width, inputs = x
  even = height % 2 == width % 2 == 0
  few = inputs <= _MAX_FEW_CHANNELS
  return even and few and inputs * outputs <= _MAX_BLOCK_PRODUCTS


def _check(kernel: Array, stride: int) -> None:
  height, width = kernel.shape[:2]
  if stride not in (1, 2) or height != width or height % 2 == 0:
    raise ValueError(
      f'a {height}x{width} kernel with stride {stride}: expected an odd square '
      'kernel and stride 1 or 2'
    )


# The definitions in terms of `lax`, which accelerators run.


def lax_convolve(x: LargeMap, kernel: Kernel, *, stride: int) -> SmallMap:
  """Computes `convolve` by XLA's convolution."""
  padding = [phases.padding(kernel.shape[0], stride)] * 2
  return lax.conv_general_dilated(
    x, kernel, (stride, stride), padding, dimension_numbers=phases.LAYOUT
  )


def lax_transpose(y: SmallMap, kernel: Kernel, *, stride: int) -> LargeMap:
  """Computes `transpose` by XLA's convolution."""
  batch, height, width, _ = y.shape
  large = jax.ShapeDtypeStruct(
    (batch, height * stride, width * stride, kernel.shape[2]), y.dtype
  )
  pull = jax.linear_transpose(
    lambda x: lax_convolve(x, kernel, stride=stride), large
  )
  return pull(y)[0]


def lax_weight_gradient(
  x: LargeMap, y: SmallMap, *, size: int, stride: int
) -> Kernel:
  """Computes `weight_gradient` by XLA's convolution."""
  shape = (size, size, x.shape[-1], y.shape[-1])
  pull = jax.linear_transpose(
    lambda kernel: lax_convolve(x, kernel, stride=stride),
    jax.ShapeDtypeStruct(shape, x.dtype),
  )
  return pull(y)[0]
