"""A strided convolution and its transpose, each the other's gradient.

`convolve` shrinks maps by its stride, `transpose` grows them; with the same
kernel each is the input gradient of the other, so one pair of rules gives all
derivatives, to any order. Nothing here is approximate: every form computes the
sums that `lax` computes, in another order.

Forms are chosen per platform. Accelerators get XLA's own convolutions, which
their libraries know. On the CPU some of XLA's loops fall off a cliff, by up to
ten times, and the rest do every product (docs/performance.md): cpu/ has other
forms.

Layout: maps are [batch, height, width, channels], kernels are
[height, width, channels of the large map, channels of the small map].
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
from jax import lax
from jaxtyping import Array, Float

from vaegan_jax.ops.cpu import patches, phases, winograd

# Up to so many channels of either map Winograd's transforms are not thought to
# pay. Compared with 40 on the demo's networks only: those made a step slower.
_FEW = 16
# Up to so many channels of the large map XLA's own `convolve`, the best of its
# operations, is as fast (python -m benchmarks.convolutions); sooner compiled.
_DIRECT = 64
# Up to so many products a tap, and _FEW channels of the map that is read, a
# convolution of stride 1 gains by blocks (python -m benchmarks.convolutions).
_NARROW = 96


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def convolve(
  x: Float[Array, 'batch height width large'],
  kernel: Float[Array, 'k k large small'],
  stride: int = 1,
) -> Float[Array, 'batch small_height small_width small']:
  """Convolves with an odd square kernel, stride 1 or 2, zero ('SAME') padding.

  Height and width must be multiples of the stride.
  """
  _check(kernel, stride)
  if x.shape[1] % stride or x.shape[2] % stride:
    raise ValueError(
      f'maps of {x.shape[1]}x{x.shape[2]} cannot be convolved with stride '
      f'{stride}: height and width must be multiples of it'
    )
  form = functools.partial(lax_convolve, stride=stride)
  cpu: Callable[[Array, Array], Array]
  if _wide(kernel.shape, stride) and kernel.shape[2] > _DIRECT:
    cpu = functools.partial(winograd.convolve, stride=stride)
  elif stride == 1 and _narrow(x.shape, kernel.shape[3]):
    cpu = phases.blocks
  else:
    return form(x, kernel)
  return lax.platform_dependent(x, kernel, cpu=cpu, default=form)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def transpose(
  y: Float[Array, 'batch height width small'],
  kernel: Float[Array, 'k k large small'],
  stride: int = 1,
) -> Float[Array, 'batch large_height large_width large']:
  """Maps back: the transpose of `convolve` with the same kernel and stride.

  The paper's "backward convolution"; elsewhere a fractionally strided one.
  """
  _check(kernel, stride)
  if stride == 1:
    return convolve(y, phases.turned(kernel), 1)
  form = functools.partial(lax_transpose, stride=stride)
  module = winograd if _wide(kernel.shape, stride) else phases
  cpu = functools.partial(module.transpose, stride=stride)
  return lax.platform_dependent(y, kernel, cpu=cpu, default=form)


def weight_gradient(
  x: Float[Array, 'batch height width large'],
  y: Float[Array, 'batch small_height small_width small'],
  *,
  size: int,
  stride: int,
) -> Float[Array, 'size size large small']:
  """Gives the kernel's cotangent for a large map and a small one.

  Args:
    x: what `convolve` took, or the cotangent of what `transpose` gave.
    y: the cotangent of what `convolve` gave, or what `transpose` took.
    size: of the kernel, in each direction.
    stride: 1 or 2.
  """
  kernel = (size, size, x.shape[3], y.shape[3])
  module = winograd if _wide(kernel, stride) else patches
  return lax.platform_dependent(
    x,
    y,
    cpu=functools.partial(module.weight_gradient, size=size, stride=stride),
    default=functools.partial(lax_weight_gradient, size=size, stride=stride),
  )


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


def _wide(kernel: tuple[int, ...], stride: int) -> bool:
  """Tells whether Winograd's forms are for a kernel of this shape."""
  size, _, large, small = kernel
  return winograd.fits(size, stride) and min(large, small) > _FEW


def _narrow(maps: tuple[int, ...], channels: int) -> bool:
  """Tells whether blocks are for maps, from which so many channels are made."""
  _, height, width, taken = maps
  even = height % 2 == width % 2 == 0
  return even and taken <= _FEW and taken * channels <= _NARROW


def _check(kernel: Array, stride: int) -> None:
  height, width = kernel.shape[:2]
  if stride not in (1, 2) or height != width or height % 2 == 0:
    raise ValueError(
      f'a {height}x{width} kernel with stride {stride}: expected an odd square '
      'kernel and stride 1 or 2'
    )


# The forms of `lax`: the definition, and what accelerators run.


def lax_convolve(
  x: Float[Array, 'batch height width large'],
  kernel: Float[Array, 'k k large small'],
  *,
  stride: int,
) -> Float[Array, 'batch small_height small_width small']:
  """Gives what `convolve` gives, by XLA's own convolution."""
  padding = [phases.padding(kernel.shape[0], stride)] * 2
  return lax.conv_general_dilated(
    x, kernel, (stride, stride), padding, dimension_numbers=phases.LAYOUT
  )


def lax_transpose(
  y: Float[Array, 'batch height width small'],
  kernel: Float[Array, 'k k large small'],
  *,
  stride: int,
) -> Float[Array, 'batch large_height large_width large']:
  """Gives what `transpose` gives, by XLA's own convolution."""
  batch, height, width, _ = y.shape
  large = jax.ShapeDtypeStruct(
    (batch, height * stride, width * stride, kernel.shape[2]), y.dtype
  )
  pull = jax.linear_transpose(
    lambda x: lax_convolve(x, kernel, stride=stride), large
  )
  return pull(y)[0]


def lax_weight_gradient(
  x: Float[Array, 'batch height width large'],
  y: Float[Array, 'batch small_height small_width small'],
  *,
  size: int,
  stride: int,
) -> Float[Array, 'size size large small']:
  """Gives what `weight_gradient` gives, by XLA's own convolution."""
  shape = (size, size, x.shape[-1], y.shape[-1])
  pull = jax.linear_transpose(
    lambda kernel: lax_convolve(x, kernel, stride=stride),
    jax.ShapeDtypeStruct(shape, x.dtype),
  )
  return pull(y)[0]
