"""A strided convolution and its transpose, each the other's gradient.

`convolve` shrinks maps by its stride, `transpose` grows them; with the same
kernel each is the input gradient of the other, so one pair of rules gives all
derivatives, to any order. Nothing here is approximate: every form computes the
sums that `lax` computes, in another order.

Forms are chosen per platform. Accelerators get XLA's own convolutions, which
their libraries know. On the CPU three of XLA's loops fall off a cliff, some by
six times, and the rest leave a fifth of the machine unused
(docs/performance.md). There, all three are products with P, the linear map that
lists the patches of a map, one row for each place of the kernel:

    convolve          P(x) K
    transpose         P'(y K')              P', K': transposes of P and K
    weight gradient   P(x)' y

made for a few images at a time, so that their patches never leave the cache.

Layout: maps are [batch, height, width, channels], kernels are
[height, width, channels of the large map, channels of the small map].
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

_LAYOUT = ('NHWC', 'HWIO', 'NHWC')
# Measured on two cores (python -m benchmarks.convolutions): up to so many
# channels of the large map, listing patches costs more than it gains.
_FEW = 32
# Rows of a product: enough to fill the registers, few enough for the cache.
_ROWS, _ROWS_WEIGHTS = 256, 512


def _padding(size: int, stride: int) -> tuple[int, int]:
  """Pads so that n pixels become n / stride; the spare one is last."""
  total = size - stride
  return total // 2, total - total // 2


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
  if x.shape[3] <= _FEW:
    return form(x, kernel)
  return lax.platform_dependent(
    x, kernel, cpu=functools.partial(_convolve, stride=stride), default=form
  )


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
  form = functools.partial(lax_transpose, stride=stride)
  if stride == 1:  # an ordinary convolution
    return form(y, kernel)
  return lax.platform_dependent(
    y, kernel, cpu=functools.partial(_transpose, stride=stride), default=form
  )


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
  return lax.platform_dependent(
    x,
    y,
    cpu=functools.partial(_weight_gradient, size=size, stride=stride),
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
  padding = [_padding(kernel.shape[0], stride)] * 2
  return lax.conv_general_dilated(
    x, kernel, (stride, stride), padding, dimension_numbers=_LAYOUT
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


# The forms of the CPU: products over the patches of a few images at a time.


def _convolve(x: Array, kernel: Array, *, stride: int) -> Array:
  size, _, _, small = kernel.shape
  matrix = kernel.reshape(-1, small)

  def few(x):
    patches = _patches(x, size=size, stride=stride)
    return (patches.reshape(-1, len(matrix)) @ matrix).reshape(
      *patches.shape[:3], small
    )

  return _in_groups(few, x, pixels=x.shape[1] * x.shape[2] // stride**2)


def _transpose(y: Array, kernel: Array, *, stride: int) -> Array:
  small = y.shape[-1]
  matrix = kernel.reshape(-1, small).T

  def few(y):
    patches = (y.reshape(-1, small) @ matrix).reshape(
      *y.shape[:3], *kernel.shape[:3]
    )
    return _add_patches(patches, stride=stride)

  return _in_groups(few, y, pixels=y.shape[1] * y.shape[2])


def _weight_gradient(x: Array, y: Array, *, size: int, stride: int) -> Array:
  if stride == 1 and y.shape[-1] < x.shape[-1]:
    # The same with the roles exchanged lists fewer patches.
    turned = _weight_gradient(y, x, size=size, stride=1)
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


def _patches(x: Array, *, size: int, stride: int) -> Array:
  """Lists what each output sees: [batch, height, width, taps * channels]."""
  height, width = (n // stride for n in x.shape[1:3])
  around = _padding(size, stride)
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
  before, _ = _padding(size, stride)
  # Place stride * u + phase is tap t of the patch at u - shift.
  taps = [
    [
      (t, (t - phase - before) // stride)
      for t in range(size)
      if (t - phase - before) % stride == 0
    ]
    for phase in range(stride)
  ]

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
