"""A strided convolution and its transpose, each the other's gradient.

`convolve` shrinks maps by its stride, `transpose` grows them; with the same
kernel each is the input gradient of the other, so one pair of rules gives all
derivatives, to any order. Nothing here is approximate: every form computes the
sums that `lax` computes, in another order.

Forms are chosen per platform. Accelerators get XLA's own convolutions, which
their libraries know. On the CPU three of XLA's loops fall off a cliff, some by
six times (docs/performance.md), and are written differently:
- the transpose, whose zero-dilated input XLA multiplies as it stands: as phases
  (outputs of equal position modulo the stride), each an undilated convolution;
- the weight gradient of layers with few channels: as matrix products over
  a few images at a time, whose patches stay in the cache;
- the weight gradient of layers with few outputs: the same with the roles of
  input and output exchanged.

Layout: maps are [batch, height, width, channels], kernels are
[height, width, channels of the large map, channels of the small map].
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

_LAYOUT = ('NHWC', 'HWIO', 'NHWC')
# Measured on two cores: below this many channels of the large map, one
# convolution that makes all phases beats one per phase.
_CHANNELS_TOGETHER = 64
# Likewise: up to this many, products over patches beat XLA's weight gradient.
_CHANNELS_PATCHES = 128
# Rows of a product: enough to fill the registers, few enough for the cache.
_ROWS = 256


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
  return _lax_convolve(x, kernel, stride)


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
  return lax.platform_dependent(
    y,
    kernel,
    cpu=functools.partial(_phases, stride=stride),
    default=functools.partial(_lax_transpose, stride=stride),
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
  form = functools.partial(lax_weight_gradient, size=size, stride=stride)
  return lax.platform_dependent(
    x, y, cpu=_cpu_form(x, y, size, stride), default=form
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


def _lax_convolve(x: Array, kernel: Array, stride: int) -> Array:
  padding = [_padding(kernel.shape[0], stride)] * 2
  return lax.conv_general_dilated(
    x, kernel, (stride, stride), padding, dimension_numbers=_LAYOUT
  )


def _lax_transpose(y: Array, kernel: Array, *, stride: int) -> Array:
  batch, height, width, _ = y.shape
  large = jax.ShapeDtypeStruct(
    (batch, height * stride, width * stride, kernel.shape[2]), y.dtype
  )
  pull = jax.linear_transpose(lambda x: _lax_convolve(x, kernel, stride), large)
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
    lambda kernel: _lax_convolve(x, kernel, stride),
    jax.ShapeDtypeStruct(shape, x.dtype),
  )
  return pull(y)[0]


# The transpose by phases.


def _taps(size: int, stride: int, phase: int) -> np.ndarray:
  """Lists the taps that reach outputs of a phase, in the order of inputs.

  Output stride * m + phase is the sum over d of y[m + d] * kernel[tap], with
  tap = phase + padding - stride * d; d runs over -reach..reach. A tap outside
  the kernel is given as `size`: the row of zeros behind it.
  """
  before = _padding(size, stride)[0]
  reach = (size // 2) if stride == 1 else (size + 1) // 4
  taps = phase + before - stride * np.arange(-reach, reach + 1)
  return np.where((taps >= 0) & (taps < size), taps, size)


def _phases(y: Array, kernel: Array, *, stride: int) -> Array:
  kernel = kernel.swapaxes(2, 3)
  if stride == 1:
    return _lax_convolve(y, kernel[::-1, ::-1], 1)
  taps = [_taps(kernel.shape[0], stride, phase) for phase in range(stride)]
  together = kernel.shape[3] <= _CHANNELS_TOGETHER
  form = _phases_together if together else _phases_apart
  maps = form(y, kernel, taps)  # [batch, height, width, phase, phase, channels]
  batch, height, width, _, _, channels = maps.shape
  return maps.transpose(0, 1, 3, 2, 4, 5).reshape(
    batch, height * stride, width * stride, channels
  )


def _phases_together(y: Array, kernel: Array, taps: list[np.ndarray]) -> Array:
  """Makes all phases by one convolution whose unused taps are zero."""
  small, large = kernel.shape[2:]
  kernel = jnp.pad(kernel, ((0, 1), (0, 1), (0, 0), (0, 0)))
  rows = kernel[np.stack(taps, 1)]
  both = rows[:, :, np.stack(taps, 1)]  # [d, phase, d, phase, small, large]
  width, phases = both.shape[:2]
  both = both.transpose(0, 2, 4, 1, 3, 5)
  both = both.reshape(width, width, small, phases * phases * large)
  maps = _lax_convolve(y, both, 1)
  return maps.reshape(*y.shape[:3], phases, phases, large)


def _phases_apart(y: Array, kernel: Array, taps: list[np.ndarray]) -> Array:
  """Makes each phase by a convolution with just the taps that reach it."""
  size = kernel.shape[0]

  def one(row: np.ndarray, column: np.ndarray) -> Array:
    reached = [np.flatnonzero(t < size) for t in (row, column)]
    reach = len(row) // 2
    padding = [(reach - int(d[0]), int(d[-1]) - reach) for d in reached]
    part = kernel[row[reached[0]]][:, column[reached[1]]]
    return lax.conv_general_dilated(
      y, part, (1, 1), padding, dimension_numbers=_LAYOUT
    )

  maps = [jnp.stack([one(r, c) for c in taps], 3) for r in taps]
  return jnp.stack(maps, 3)


# The weight gradient by products over patches.


def _cpu_form(
  x: Array, y: Array, size: int, stride: int
) -> Callable[[Array, Array], Array]:
  if stride == 1 and y.shape[-1] < x.shape[-1]:
    return lambda x, y: _patches_weight_gradient(y, x, size=size, stride=1)[
      ::-1, ::-1
    ].swapaxes(2, 3)
  form = (
    _patches_weight_gradient
    if x.shape[-1] <= _CHANNELS_PATCHES
    else lax_weight_gradient
  )
  return functools.partial(form, size=size, stride=stride)


def _patches_weight_gradient(
  x: Array, y: Array, *, size: int, stride: int
) -> Array:
  """Sums, over groups of images, patches of x times y."""
  batch, height, width, small = y.shape
  large = x.shape[-1]
  group = _group(batch, height * width)
  before, after = _padding(size, stride)

  ends = (stride * (height - 1) + 1, stride * (width - 1) + 1)

  def add(totals, maps):
    x, y = maps
    x = jnp.pad(x, ((0, 0), (before, after), (before, after), (0, 0)))
    y = y.reshape(-1, small)
    # A row of taps side by side: as wide a product as the cache likes.
    columns = [x[:, :, j : j + ends[1] : stride] for j in range(size)]
    row = jnp.concatenate(columns, -1)
    rows = [row[:, i : i + ends[0] : stride] for i in range(size)]
    products = [r.reshape(-1, size * large).T @ y for r in rows]
    return tuple(t + p for t, p in zip(totals, products, strict=True)), None

  grouped = [m.reshape(batch // group, group, *m.shape[1:]) for m in (x, y)]
  zero = jnp.zeros((size * large, small), x.dtype)
  totals, _ = lax.scan(add, (zero,) * size, tuple(grouped))
  return jnp.stack(totals).reshape(size, size, large, small)


def _group(batch: int, pixels: int) -> int:
  """Finds the fewest images, dividing the batch, that make enough rows."""
  enough = (n for n in range(1, batch + 1) if n * pixels >= _ROWS)
  return next((n for n in enough if batch % n == 0), batch)
