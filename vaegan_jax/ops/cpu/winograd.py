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
from vaegan_jax.ops.cpu.points import POINTS, TAPS, TILE, A, B, G

# The values of a chunk of maps, relative to those of the kernel that they meet:
# enough to reuse the kernel, few enough for the cache. Measured on two cores.
_TARGET_SHARE = 8
# Tiles of a chunk at most, for the memory.
_MAX_TARGET_ROWS = 1024
# With up to this many tiles, XLA may keep a transformed map from the forward
# pass for the weight gradient: one loop less, for a tenth more memory.
_MAX_KEPT_TILES = 256


def fits(size: int, stride: int) -> bool:
  """Returns whether a kernel folds to three taps."""
  return phases.folded_size(size, stride) == TAPS


def convolve(x: Array, kernel: Array, *, stride: int) -> Array:
  """Computes convolution.convolve."""
  matrix = _kernel_matrix(len(kernel), stride)
  transformed = _transform_kernel(kernel, matrix, x=x)

  def for_chunk(x):
    return _filter(x, transformed, 'pnk,pko->pno', stride=stride)

  _, height, width, _ = x.shape
  shape = (height // stride, width // stride, kernel.shape[3])
  return _map_chunks(
    for_chunk,
    x,
    shape=shape,
    kernel=transformed.shape,
    pixels=shape[0] * shape[1],
  )


def transpose(y: Array, kernel: Array, *, stride: int) -> Array:
  """Computes convolution.transpose."""
  matrix = _kernel_matrix(len(kernel), stride, rotated=True)
  transformed = _transform_kernel(kernel, matrix, x=y)

  def for_chunk(y):
    return _filter(y, transformed, 'pno,pko->pnk', upscale=stride)

  _, height, width, _ = y.shape
  shape = (height * stride, width * stride, kernel.shape[2])
  return _map_chunks(
    for_chunk, y, shape=shape, kernel=transformed.shape, pixels=height * width
  )


def weight_gradient(x: Array, y: Array, *, size: int, stride: int) -> Array:
  """Computes convolution.weight_gradient."""

  def for_chunk(x, y):
    inputs, cotangent = _transform_input(x, stride), _transform_cotangent(y)
    # XLA's product is faster by up to a third with the narrower map first.
    return jnp.einsum('pno,pnk->pok', cotangent, inputs)

  batch, height, width, small = y.shape
  large = x.shape[-1]
  shape = (POINTS**2, small, stride**2 * large)
  chunk_size = _chunk_size(batch, height * width, kernel=shape)
  # (B' d B) * (A y A')
  products = blocking.sum_chunks(for_chunk, x, y, shape=shape, size=chunk_size)
  products = products.swapaxes(1, 2)
  matrix = _kernel_matrix(size, stride).astype(products.dtype)
  # G' [...] G: [points * phases * large, small] -> [size * size, large * small]
  kernel = matrix.T @ products.reshape(len(matrix), -1)
  return jnp.reshape(kernel.astype(x.dtype), (size, size, large, small))


def _map_chunks(
  function: Callable[[Array], Array],
  x: Array,
  *,
  shape: tuple[int, ...],
  kernel: tuple[int, ...],
  pixels: int,
) -> Array:
  """Applies a function to chunks of images, at least two of many tiles.

  XLA cannot keep the result of a loop's body: without the loop it would keep
  the transformed map from the forward pass until the weight gradient.
  """
  batch = len(x)
  size = _chunk_size(batch, pixels, kernel=kernel)
  many = batch * pixels > _MAX_KEPT_TILES * TILE**2
  if size == batch and batch % 2 == 0 and many:
    size //= 2
  return blocking.map_chunks(function, x, shape=shape, size=size)


def _chunk_size(batch: int, pixels: int, *, kernel: tuple[int, ...]) -> int:
  """Returns the number of images of a chunk.

  Args:
    batch: number of images.
    pixels: pixels of an image's small map.
    kernel: shape of the transformed kernel.
  """
  *_, inputs, outputs = kernel
  target = _TARGET_SHARE * inputs * outputs // (inputs + outputs)
  return blocking.best_size(
    batch, -(-pixels // TILE**2), target=min(target, _MAX_TARGET_ROWS)
  )


def _filter(
  x: Array, kernel: Array, product: str, *, stride: int = 1, upscale: int = 1
) -> Array:
  """Convolves with stride 1.

  Args:
    x: the map.
    kernel: the transformed kernel.
    product: einsum of the transformed map and the kernel.
    stride: the stride whose phases are the input's channels.
    upscale: the stride whose phases are the output's channels.
  """
  products = jnp.einsum(product, _transform_input(x, stride), kernel)
  batch, height, width, _ = x.shape
  shape = (batch, height // stride, width // stride)
  return _transform_output(products, shape, upscale=upscale).astype(x.dtype)


def _transform_input(x: Array, stride: int) -> Array:
  """Computes B' d B of overlapping 6x6 tiles of the phases of a map."""
  # Phases stay apart until the end: XLA pads merged ones at half the speed.
  x = phases.split(_at_least_float32(x), stride)
  tall, wide = _tiles(x.shape)
  x = jnp.pad(x, [*_padding(x.shape, before=1), (0, 0), (0, 0)])
  rows = [_every_tile(x, i, count=tall, axis=1) for i in range(POINTS)]
  x = _combine_once(B.T, rows, axis=1).swapaxes(0, 1)
  # [points, batch, tall, columns, stride, stride, channels]
  columns = [_every_tile(x, i, count=wide, axis=3) for i in range(POINTS)]
  x = _combine(B.T, columns, axis=1)
  return x.reshape(POINTS**2, -1, stride**2 * x.shape[-1])


def _transform_cotangent(y: Array) -> Array:
  """Computes A y A' of tiles of 4x4."""
  batch, _, _, channels = y.shape
  tall, wide = _tiles(y.shape)
  y = jnp.pad(_at_least_float32(y), _padding(y.shape, before=0))
  y = y.reshape(batch, tall, TILE, wide, TILE, channels)
  y = _combine_once(A, _unstack(y, axis=2), axis=1).swapaxes(0, 1)
  y = _combine(A, _unstack(y, axis=4), axis=1)
  return y.reshape(POINTS**2, -1, channels)


def _transform_output(
  products: Array, shape: Sequence[int], *, upscale: int
) -> Array:
  """Computes A' [products] A, and joins tiles, and phases, to maps."""
  batch, height, width = shape
  tall, wide = _tiles(shape)
  products = products.reshape(POINTS, POINTS, batch, tall, wide, upscale, -1)
  rows = _combine_once(A.T, _unstack(products, axis=0), axis=3)
  # Rows of the map are the rows of a tile and their phases.
  rows = lax.transpose(rows, (0, 1, 2, 3, 5, 4, 6))
  y = _combine(A.T, _unstack(rows, axis=0), axis=5)
  y = y.reshape(batch, tall * TILE * upscale, wide * TILE * upscale, -1)
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
  return transformed.reshape(POINTS**2, -1, kernel.shape[-1])


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
  line = np.einsum('ai,ipt->apt', G[:, ::-1] if rotated else G, places)
  matrix = np.einsum('apt,bqu->abpqtu', line, line)
  return matrix.reshape(-1, size**2)


def _tiles(shape: Sequence[int]) -> tuple[int, int]:
  """Returns the number of tiles of a map, down and across."""
  return -(-shape[1] // TILE), -(-shape[2] // TILE)


def _padding(shape: Sequence[int], *, before: int) -> list[tuple[int, int]]:
  """Returns the padding of a map to whole tiles and a margin of `before`."""
  after = [
    count * TILE - size + before
    for count, size in zip(_tiles(shape), shape[1:3], strict=True)
  ]
  return [(0, 0), *((before, n) for n in after), (0, 0)]


def _every_tile(x: Array, first: int, *, count: int, axis: int) -> Array:
  """Returns one row (or column) of every tile."""
  last = first + (count - 1) * TILE
  return lax.slice_in_dim(x, first, last + 1, TILE, axis)


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
