"""Winograd's minimal filtering: convolutions with fewer products.

Two polynomials can be multiplied by way of their values at a few points. Thus
four outputs of a filter of three taps take six products instead of twelve, and,
nested over rows and columns, a tile of 4x4 outputs takes 36 instead of 144. In
the notation of Lavin and Gray, with d the 6x6 inputs of a tile, g the kernel
and Y the outputs,

    Y = A' [(G g G') * (B' d B)] A

where each of the 36 products, over all channels and tiles, is a matrix product.
The kernel's cotangent uses the same points: G' [(B' d B) * (A y A')] G.

A strided 5x5 convolution becomes one of 3x3 over phases (phases.py), with 9
products for 25. Results are exact up to rounding, a few times that of the
direct sum (docs/performance.md). Narrower dtypes are computed in float32.

Axis sizes are named as in convolution.py. Transformed arrays are
[36 points, tiles of all images or input channels, channels].

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

from vaegan_jax.ops.cpu import blocking, phases

# Outputs and taps in each direction, m and r in the notation of Lavin and Gray.
_TILE, _TAPS = 4, 3
# Inputs of a tile, and points, in each direction.
_POINTS = _TILE + _TAPS - 1
# The points other than infinity. Among the symmetric sets of short binary
# fractions that were tried, this one has half the rounding of 0, 1, -1, 2, -2.
_FINITE_POINTS = (0, 0.75, -0.75, 1.5, -1.5)
# Tiles of a product, measured on two cores: enough to reuse the values of the
# kernel, few enough for the cache and for memory.
_TARGET_ROWS = 1024
# With up to this many tiles, XLA may keep a transformed map from the forward
# pass for the weight gradient: one loop less, for a tenth more memory.
_MAX_KEPT_TILES = 256


def fits(size: int, stride: int) -> bool:
  """Returns whether a kernel folds to three taps."""
  return phases.folded_size(size, stride) == _TAPS


def convolve(x: Array, kernel: Array, *, stride: int) -> Array:
  """Computes convolution.convolve."""
  matrix = _kernel_matrix(len(kernel), stride)
  transformed = _transform_kernel(kernel, matrix, x=x)

  def for_chunk(x):
    x = phases.space_to_depth(x, stride)
    return _filter(x, transformed, 'pnk,pko->pno')

  _, height, width, _ = x.shape
  shape = (height // stride, width // stride, kernel.shape[3])
  return _map_chunks(for_chunk, x, shape=shape, pixels=shape[0] * shape[1])


def transpose(y: Array, kernel: Array, *, stride: int) -> Array:
  """Computes convolution.transpose."""
  matrix = _kernel_matrix(len(kernel), stride, rotated=True)
  transformed = _transform_kernel(kernel, matrix, x=y)

  def for_chunk(y):
    return _filter(y, transformed, 'pno,pko->pnk', upscale=stride)

  _, height, width, _ = y.shape
  shape = (height * stride, width * stride, kernel.shape[2])
  return _map_chunks(for_chunk, y, shape=shape, pixels=height * width)


def weight_gradient(x: Array, y: Array, *, size: int, stride: int) -> Array:
  """Computes convolution.weight_gradient."""

  def for_chunk(x, y):
    inputs = _transform_input(phases.space_to_depth(x, stride))
    return jnp.einsum('pnk,pno->pko', inputs, _transform_cotangent(y))

  batch, height, width, small = y.shape
  large = x.shape[-1]
  shape = (_POINTS**2, stride**2 * large, small)
  chunk_size = _chunk_size(batch, height * width)
  # (B' d B) * (A y A')
  products = blocking.sum_chunks(for_chunk, x, y, shape=shape, size=chunk_size)
  matrix = _kernel_matrix(size, stride).astype(products.dtype)
  # G' [...] G: [points * phases * large, small] -> [size * size, large * small]
  kernel = matrix.T @ products.reshape(len(matrix), -1)
  return jnp.reshape(kernel.astype(x.dtype), (size, size, large, small))


def _map_chunks(
  function: Callable[[Array], Array],
  x: Array,
  *,
  shape: tuple[int, ...],
  pixels: int,
) -> Array:
  """Applies a function to chunks of images, at least two of many tiles.

  XLA cannot keep the result of a loop's body: without the loop it would keep
  the transformed map from the forward pass until the weight gradient.
  """
  batch = len(x)
  size = _chunk_size(batch, pixels)
  many = batch * pixels > _MAX_KEPT_TILES * _TILE**2
  if size == batch and batch % 2 == 0 and many:
    size //= 2
  return blocking.map_chunks(function, x, shape=shape, size=size)


def _chunk_size(batch: int, pixels: int) -> int:
  tiles = -(-pixels // _TILE**2)
  return blocking.best_size(batch, tiles, target=_TARGET_ROWS)


def _filter(
  x: Array, kernel: Array, product: str, *, upscale: int = 1
) -> Array:
  """Convolves with stride 1.

  Args:
    x: the map.
    kernel: the transformed kernel.
    product: einsum of the transformed map and the kernel.
    upscale: the stride whose phases are the output's channels.
  """
  products = jnp.einsum(product, _transform_input(x), kernel)
  return _transform_output(products, x.shape, upscale=upscale).astype(x.dtype)


def _transform_input(x: Array) -> Array:
  """Computes B' d B of overlapping tiles of 6x6."""
  tall, wide = _tiles(x.shape)
  x = jnp.pad(_at_least_float32(x), _padding(x.shape, before=1))
  rows = [_every_tile(x, i, count=tall, axis=1) for i in range(_POINTS)]
  x = _combine_once(_B.T, rows, axis=1).swapaxes(0, 1)
  # [points, batch, tall, columns, channels]
  columns = [_every_tile(x, i, count=wide, axis=3) for i in range(_POINTS)]
  return _combine(_B.T, columns, axis=1).reshape(_POINTS**2, -1, x.shape[-1])


def _transform_cotangent(y: Array) -> Array:
  """Computes A y A' of tiles of 4x4."""
  batch, _, _, channels = y.shape
  tall, wide = _tiles(y.shape)
  y = jnp.pad(_at_least_float32(y), _padding(y.shape, before=0))
  y = y.reshape(batch, tall, _TILE, wide, _TILE, channels)
  y = _combine_once(_A, _unstack(y, axis=2), axis=1).swapaxes(0, 1)
  y = _combine(_A, _unstack(y, axis=4), axis=1)
  return y.reshape(_POINTS**2, -1, channels)


def _transform_output(
  products: Array, shape: Sequence[int], *, upscale: int
) -> Array:
  """Computes A' [products] A, and joins tiles, and phases, to maps."""
  batch, height, width, _ = shape
  tall, wide = _tiles(shape)
  products = products.reshape(_POINTS, _POINTS, batch, tall, wide, upscale, -1)
  rows = _combine_once(_A.T, _unstack(products, axis=0), axis=3)
  # Rows of the map are the rows of a tile and their phases.
  rows = lax.transpose(rows, (0, 1, 2, 3, 5, 4, 6))
  y = _combine(_A.T, _unstack(rows, axis=0), axis=5)
  y = y.reshape(batch, tall * _TILE * upscale, wide * _TILE * upscale, -1)
  return y[:, : height * upscale, : width * upscale]


def _transform_kernel(kernel: Array, matrix: np.ndarray, *, x: Array) -> Array:
  """Computes G g G' of the kernel's phases, as channels.

  XLA would transform all kernels at the start of a step and hold the results.
  To prevent this, the matrix is one of two equal ones, indexed by a value of x,
  the map that the kernel is applied to.
  """
  g = _at_least_float32(kernel).reshape(matrix.shape[1], -1)
  twice = jnp.stack([matrix.astype(g.dtype)] * 2)
  index = (x[(0,) * x.ndim] > 0).astype(jnp.int32)
  transformed = lax.dynamic_index_in_dim(twice, index, keepdims=False) @ g
  return transformed.reshape(_POINTS**2, -1, kernel.shape[-1])


def _kernel_matrix(
  size: int, stride: int, *, rotated: bool = False
) -> np.ndarray:
  """Returns the matrix of the transform g -> G g G' of all phases of a kernel.

  Args:
    size: height and width of the kernel.
    stride: number of phases in each direction.
    rotated: whether to rotate the phases by 180 degrees, for the transpose.

  Returns:
    [points * points * stride * stride, size * size].
  """
  count = phases.folded_size(size, stride)
  first = phases.zeros_before(size, stride)
  # [tap of a phase, phase, tap of the kernel]
  places = np.eye(count * stride)[:, first : first + size]
  places = places.reshape(count, stride, size)
  line = np.einsum('ai,ipt->apt', _G[:, ::-1] if rotated else _G, places)
  matrix = np.einsum('apt,bqu->abpqtu', line, line)
  return matrix.reshape(-1, size**2)


def _tiles(shape: Sequence[int]) -> tuple[int, int]:
  """Returns the number of tiles of a map, down and across."""
  return -(-shape[1] // _TILE), -(-shape[2] // _TILE)


def _padding(shape: Sequence[int], *, before: int) -> list[tuple[int, int]]:
  """Returns the padding of a map to whole tiles and a margin of `before`."""
  after = [
    count * _TILE - size + before
    for count, size in zip(_tiles(shape), shape[1:3], strict=True)
  ]
  return [(0, 0), *((before, n) for n in after), (0, 0)]


def _every_tile(x: Array, first: int, *, count: int, axis: int) -> Array:
  """Returns one row (or column) of every tile."""
  last = first + (count - 1) * _TILE
  return lax.slice_in_dim(x, first, last + 1, _TILE, axis)


def _unstack(x: Array, *, axis: int) -> list[Array]:
  return [
    lax.index_in_dim(x, i, axis, keepdims=False) for i in range(x.shape[axis])
  ]


def _combine(
  matrix: np.ndarray, parts: Sequence[Array], *, axis: int = 0
) -> Array:
  """Stacks linear combinations of parts, one for each row of a matrix.

  One loop computes them all: a loop for each has fewer products but is not
  faster, and takes twice as long to compile. A step has a thousand of these
  operations; those of jax.numpy take three times as long to trace.
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
  """Computes `_combine` once, for a result that is read several times.

  XLA stores the operands of a concatenation, but would fuse a single sum into
  each reader and recompute it there.
  """
  halves = [_combine(half, parts, axis=axis) for half in np.split(matrix, 2)]
  return lax.concatenate(halves, axis)


def _at_least_float32(x: Array) -> Array:
  return x.astype(jnp.promote_types(x.dtype, jnp.float32))


def _matrices() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Returns A, B and G for the points.

  A and G evaluate polynomials with four and three coefficients; B inverts the
  evaluation of their product.
  """
  points = np.array(_FINITE_POINTS)[:, None]

  def evaluate(coefficients: int) -> np.ndarray:
    infinity = np.eye(coefficients)[-1:]
    return np.concatenate([points ** np.arange(coefficients), infinity])

  b = np.linalg.inv(evaluate(_POINTS))
  b[np.abs(b) < 1e-12] = 0  # remove rounding errors
  # A leading coefficient of 1 for each point's polynomial saves a product.
  scale = np.append(b[-2, :-1], b[-1, -1])
  return evaluate(_TILE), b / scale, evaluate(_TAPS) * scale[:, None]


_A, _B, _G = _matrices()
