"""Winograd's minimal filtering: convolutions with fewer products.

Two polynomials are multiplied by their values at a few points. So six products
make four outputs of a filter of three taps, where the sum as written takes
twelve; nested over rows and columns, 36 make a tile of 4x4 outputs that would
take 144. In the notation of Lavin and Gray, with d the 6x6 inputs of a tile, g
the kernel and Y the outputs,

    Y = A' [(G g G') * (B' d B)] A

where each of the 36 products, over all channels and tiles, is a product of
matrices. The kernel's cotangent uses the same points:
G' [(B' d B) * (A y A')] G.

Strided 5x5 convolutions come to 3x3 by their phases (phases.py): 9 products for
25. The sums are exact but for rounding, a few times that of the sum as written
(docs/performance.md); types narrower than float32 are computed in float32.

Sizes are those of convolution.py.

Source: S. Winograd, Arithmetic Complexity of Computations, 1980; A. Lavin and
S. Gray, Fast Algorithms for Convolutional Neural Networks, CVPR 2016.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence

import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array

from vaegan_jax.ops.cpu import groups, phases

_TILE, _TAPS = 4, 3
_SIDE = _TILE + _TAPS - 1
# Beside infinity. Of the symmetric sets of short binary fractions that were
# tried this one rounds least: half as much as 0, 1, -1, 2, -2.
_POINTS = (0, 0.75, -0.75, 1.5, -1.5)
# Tiles of a product, measured on two cores: enough to share the loading of the
# kernel's values, few enough for the cache and for memory.
_ROWS = 1024
# Of up to so many tiles XLA may keep the values from the forward pass until the
# weight gradient: a loop fewer to compile and to run, for a tenth more memory.
_KEPT = 256


def fits(size: int, stride: int) -> bool:
  """Tells whether a kernel folds to three taps."""
  return phases.taps(size, stride) == _TAPS


def convolve(x: Array, kernel: Array, *, stride: int) -> Array:
  """Computes what convolution.convolve does."""
  values = _kernel_values(kernel, _evaluation(len(kernel), stride), before=x)

  def few(x):
    return _filter(phases.split(x, stride), values, 'pnk,pko->pno')

  _, height, width, _ = x.shape
  shape = (height // stride, width // stride, kernel.shape[3])
  return _in_groups(few, x, shape=shape, pixels=shape[0] * shape[1])


def transpose(y: Array, kernel: Array, *, stride: int) -> Array:
  """Computes what convolution.transpose does."""
  turned = _evaluation(len(kernel), stride, turned=True)
  values = _kernel_values(kernel, turned, before=y)

  def few(y):
    return _filter(y, values, 'pno,pko->pnk', join=stride)

  _, height, width, _ = y.shape
  shape = (height * stride, width * stride, kernel.shape[2])
  return _in_groups(few, y, shape=shape, pixels=height * width)


def weight_gradient(x: Array, y: Array, *, size: int, stride: int) -> Array:
  """Computes what convolution.weight_gradient does."""

  def few(x, y):
    inputs = _input_values(phases.split(x, stride))
    return jnp.einsum('pnk,pno->pko', inputs, _output_values(y))

  batch, height, width, small = y.shape
  large = x.shape[-1]
  values = groups.summed(
    few,
    x,
    y,
    shape=(_SIDE**2, stride**2 * large, small),
    group=_group(batch, height * width),
  )
  evaluation = _evaluation(size, stride).astype(values.dtype)
  kernel = evaluation.T @ values.reshape(len(evaluation), -1)
  kernel = kernel.astype(x.dtype)
  return jnp.reshape(kernel, (size, size, large, small))


def _in_groups(
  form: Callable[[Array], Array],
  maps: Array,
  *,
  shape: tuple[int, ...],
  pixels: int,
) -> Array:
  """Applies a form to some images at a time, in two groups if there is much.

  What a loop made XLA cannot keep: else it would hold the values of a map from
  the forward pass until the weight gradient asks for the same.
  """
  batch = len(maps)
  group = _group(batch, pixels)
  much = batch * pixels > _KEPT * _TILE**2
  if group == batch and batch % 2 == 0 and much:
    group //= 2
  return groups.mapped(form, maps, shape=shape, group=group)


def _group(batch: int, pixels: int) -> int:
  return groups.size(batch, -(-pixels // _TILE**2), aim=_ROWS)


def _filter(x: Array, kernel: Array, product: str, *, join: int = 1) -> Array:
  """Convolves with stride 1, with a kernel given by its values.

  Args:
    x: the map.
    kernel: its values.
    product: of the map's values and the kernel's.
    join: the stride whose phases the outputs' channels are.
  """
  values = jnp.einsum(product, _input_values(x), kernel)
  return _outputs(values, x.shape, join=join).astype(x.dtype)


# Values at the points are [points of rows * points of columns, tiles of all
# images or channels, channels].


def _input_values(x: Array) -> Array:
  """Computes B' d B of overlapping tiles of 6x6."""
  tall, wide = _tiles(x.shape)
  x = jnp.pad(_wide(x), _around(x.shape, before=1))
  rows = [_each(x, i, count=tall, axis=1) for i in range(_SIDE)]
  x = _combine_once(_B.T, rows, axis=1).swapaxes(0, 1)
  columns = [_each(x, i, count=wide, axis=3) for i in range(_SIDE)]
  return _combine(_B.T, columns, axis=1).reshape(_SIDE**2, -1, x.shape[-1])


def _output_values(y: Array) -> Array:
  """Computes A y A' of tiles of 4x4."""
  batch, _, _, channels = y.shape
  tall, wide = _tiles(y.shape)
  y = jnp.pad(_wide(y), _around(y.shape, before=0))
  y = y.reshape(batch, tall, _TILE, wide, _TILE, channels)
  y = _combine_once(_A, _parts(y, axis=2), axis=1).swapaxes(0, 1)
  y = _combine(_A, _parts(y, axis=4), axis=1)
  return y.reshape(_SIDE**2, -1, channels)


def _outputs(values: Array, shape: Sequence[int], *, join: int) -> Array:
  """Computes A' [values] A, and lays tiles, and phases, together as maps."""
  batch, height, width, _ = shape
  tall, wide = _tiles(shape)
  values = values.reshape(_SIDE, _SIDE, batch, tall, wide, join, -1)
  rows = _combine_once(_A.T, _parts(values, axis=0), axis=3)
  # A row of a tile and its phases are rows of the map.
  rows = lax.transpose(rows, (0, 1, 2, 3, 5, 4, 6))
  y = _combine(_A.T, _parts(rows, axis=0), axis=5)
  y = y.reshape(batch, tall * _TILE * join, wide * _TILE * join, -1)
  return y[:, : height * join, : width * join]


def _kernel_values(
  kernel: Array, evaluation: np.ndarray, *, before: Array
) -> Array:
  """Computes G g G' of the kernel's phases, as channels.

  XLA would compute the values of all kernels at the start of a step, and hold
  them. So one of two equal matrices is taken, and which of them is said by the
  map that the kernel is for.
  """
  matrix = _wide(kernel).reshape(evaluation.shape[1], -1)
  twice = jnp.stack([evaluation.astype(matrix.dtype)] * 2)
  which = (before[(0,) * before.ndim] > 0).astype(jnp.int32)
  values = lax.dynamic_index_in_dim(twice, which, keepdims=False) @ matrix
  return values.reshape(_SIDE**2, -1, kernel.shape[-1])


def _evaluation(size: int, stride: int, *, turned: bool = False) -> np.ndarray:
  """Makes the matrix that evaluates a kernel's phases at all points.

  Args:
    size: of the kernel.
    stride: how many phases it has in each direction.
    turned: whether the phases are turned around, as the transpose takes them.

  Returns:
    [points * points * stride * stride, size * size].
  """
  count, front = phases.taps(size, stride), phases.front(size, stride)
  # [tap of a phase, phase, tap of the kernel]
  places = np.eye(count * stride)[:, front : front + size]
  places = places.reshape(count, stride, size)
  line = np.einsum('ai,ipt->apt', _G[:, ::-1] if turned else _G, places)
  matrix = np.einsum('apt,bqu->abpqtu', line, line)
  return matrix.reshape(-1, size**2)


def _tiles(shape: Sequence[int]) -> tuple[int, int]:
  """Counts the tiles of a map, down and across."""
  return -(-shape[1] // _TILE), -(-shape[2] // _TILE)


def _around(shape: Sequence[int], *, before: int) -> list[tuple[int, int]]:
  """Pads a map so that tiles, and what they see beyond, fill it."""
  after = [
    count * _TILE - size + before
    for count, size in zip(_tiles(shape), shape[1:3], strict=True)
  ]
  return [(0, 0), *((before, n) for n in after), (0, 0)]


def _each(x: Array, first: int, *, count: int, axis: int) -> Array:
  """Takes one row (or column) of every tile."""
  last = first + (count - 1) * _TILE
  return lax.slice_in_dim(x, first, last + 1, _TILE, axis)


def _parts(x: Array, *, axis: int) -> list[Array]:
  return [
    lax.index_in_dim(x, i, axis, keepdims=False) for i in range(x.shape[axis])
  ]


def _combine(
  matrix: np.ndarray, parts: Sequence[Array], *, axis: int = 0
) -> Array:
  """Stacks the sums of parts that the rows of a matrix say.

  All in one loop over them: a loop for each would have fewer products, no
  shorter time, and take XLA twice as long to compile. In lax's operations, of
  which there are a thousand in a step: jax.numpy's take three times as long to
  trace.
  """
  shape = list(parts[0].shape)
  shape.insert(axis, len(matrix))
  others = [i for i in range(len(shape)) if i != axis]
  products = [
    lax.mul(
      lax.broadcast_in_dim(part, shape, others),
      lax.broadcast_in_dim(factors.astype(part.dtype), shape, [axis]),
    )
    for part, factors in zip(parts, matrix.T, strict=True)
  ]
  return functools.reduce(lax.add, products)


def _combine_once(
  matrix: np.ndarray, parts: Sequence[Array], *, axis: int = 0
) -> Array:
  """Does the same for sums that are read several times.

  In two halves: XLA stores what it concatenates, and would compute other sums
  again for each that reads them.
  """
  halves = [_combine(some, parts, axis=axis) for some in np.split(matrix, 2)]
  return lax.concatenate(halves, axis)


def _wide(x: Array) -> Array:
  return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def _matrices() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Makes A, B and G from the points.

  A and G evaluate polynomials with four and three coefficients; B undoes the
  evaluation of their product, transposed, as a convolution's output is.
  """
  points = np.array(_POINTS)[:, None]

  def evaluate(coefficients: int) -> np.ndarray:
    infinity = np.eye(coefficients)[-1:]
    return np.concatenate([points ** np.arange(coefficients), infinity])

  b = np.linalg.inv(evaluate(_SIDE))
  b[np.abs(b) < 1e-12] = 0  # what rounding left
  # Each point's polynomial gets the leading factor 1, which costs no product.
  scale = np.append(b[-2, :-1], b[-1, -1])
  return evaluate(_TILE), b / scale, evaluate(_TAPS) * scale[:, None]


_A, _B, _G = _matrices()
