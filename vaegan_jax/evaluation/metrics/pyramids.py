"""The sliced Wasserstein distance of patches, over Laplacian pyramids."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, UInt8
from scipy import ndimage

Pixels = UInt8[np.ndarray, '_images _height _width colours']

PATCH = 7
PER_IMAGE = 16  # patches drawn from an image, about
COARSEST = 16  # pixels: the smallest height or width of a level

_BINOMIAL = np.array([1, 4, 6, 4, 1], np.float32) / 16


class Sliced(NamedTuple):
  """Distances by level of a pyramid.

  Attributes:
    levels: by height in pixels, from the finest.
    mean: over levels.
  """

  levels: dict[int, float]
  mean: float


def sliced_wasserstein(
  pixels: Pixels,
  reference: Pixels,
  *,
  seed: int = 0,
  patches: int = 32_768,
  directions: int = 128,
) -> Sliced:
  """Computes the sliced Wasserstein distance of patches, level by level.

  At each level of a Laplacian pyramid, 7x7 patches are drawn at random and
  projected on random directions of length 1; the distance is the mean
  difference of the sorted projections, averaged over directions. Patches of
  both sets lie at the same places, so that a set has no distance to itself.

  The unit is a standard deviation of the reference at that level and colour;
  the source prints 1000 times as much.

  Source: Karras et al. (2018), section 5.
  Deviation: both sets are standardised by the reference. The authors' code
  standardises each by itself, which hides what blur takes from a level.

  Args:
    pixels: of the samples.
    reference: real images of the same shape.
    seed: of places and directions.
    patches: of each set at most, spread evenly over its images; no more than
      PER_IMAGE times the images of the larger set are drawn.
    directions: on which patches are projected.

  Raises:
    ValueError: the images differ in shape, or are smaller than a patch.
  """
  if pixels.shape[1:] != reference.shape[1:]:
    raise ValueError(
      f'images of shape {pixels.shape[1:]} and a reference of shape '
      f'{reference.shape[1:]}: both must have one size'
    )
  count = min(patches, PER_IMAGE * max(len(pixels), len(reference)))
  # Patches are drawn from as many images at most.
  pair = [laplacian(p[:count]) for p in (pixels, reference)]
  levels = {}
  for number, (maps, other) in enumerate(zip(*pair, strict=True)):
    ours, theirs = (
      cut(m, count, generator=_generator(seed, number)) for m in (maps, other)
    )
    slices = _directions(ours[0].size, directions, _generator(seed, number, 1))
    levels[maps.shape[1]] = _sliced(ours, theirs, slices)
  return Sliced(levels, float(np.mean(list(levels.values()))))


def laplacian(pixels: Pixels) -> list[np.ndarray]:
  """Splits images into levels, each of half the height and width.

  Every level but the last is what the next cannot show; the last is the
  blurred rest. Halving ends before a side is odd or below COARSEST: images of
  64x64 have levels of 64, 32 and 16, those of 32x32 of 32 and 16.

  Source: Burt and Adelson (1983).

  Returns:
    float32 [images, height, width, colours] of each level, finest first; the
    sum of all, enlarged, is the image.
  """
  level = pixels.astype(np.float32)
  levels = []
  while _divisible(level.shape[1:3]):
    smaller = _filter(level)[:, ::2, ::2]
    levels.append(level - enlarge(smaller))
    level = smaller
  return [*levels, level]


def enlarge(
  level: Float32[np.ndarray, 'images _height _width colours'],
) -> Float32[np.ndarray, 'images _height _width colours']:
  """Doubles height and width without adding detail."""
  images, height, width, colours = level.shape
  spread = np.zeros((images, 2 * height, 2 * width, colours), np.float32)
  spread[:, ::2, ::2] = 4 * level
  return _filter(spread)


def cut(
  maps: Float32[np.ndarray, 'images _height _width colours'],
  count: int,
  *,
  generator: np.random.Generator,
) -> Float32[np.ndarray, '_count place colours']:
  """Cuts patches of 7x7 pixels at random places of each image in turn.

  The places depend on the generator and the maps' height and width alone.

  Raises:
    ValueError: the maps are smaller than a patch, or there are none.
  """
  images, height, width, colours = maps.shape
  if not images or min(height, width) < PATCH:
    raise ValueError(
      f'{images} images of {height}x{width}: expected at least one, of at '
      f'least {PATCH}x{PATCH} pixels'
    )
  tops = generator.integers(height - PATCH + 1, size=count)
  lefts = generator.integers(width - PATCH + 1, size=count)
  windows = np.lib.stride_tricks.sliding_window_view(
    maps, (PATCH, PATCH), axis=(1, 2)
  )
  chosen = windows[np.arange(count) % images, tops, lefts]
  return chosen.reshape(count, colours, -1).swapaxes(1, 2)


def _generator(*seed: int) -> np.random.Generator:
  return np.random.default_rng(seed)


def _directions(
  size: int, count: int, generator: np.random.Generator
) -> np.ndarray:
  """Draws directions [count, size] of length 1."""
  slices = generator.standard_normal((count, size), np.float32)
  return slices / np.linalg.norm(slices, axis=1, keepdims=True)


def _sliced(
  patches: np.ndarray, reference: np.ndarray, slices: np.ndarray
) -> float:
  """Compares patches [patches, place, colours] along each direction."""
  mean = reference.mean(axis=(0, 1), dtype=np.float64)
  sd = reference.std(axis=(0, 1), dtype=np.float64)
  # A colour without variation has no unit: it counts as it is.
  mean, sd = (x.astype(np.float32) for x in (mean, np.where(sd > 0, sd, 1)))
  ours, theirs = (
    np.sort(slices @ ((p - mean) / sd).reshape(len(p), -1).T, axis=1)
    for p in (patches, reference)
  )
  return float(np.abs(ours - theirs).mean(dtype=np.float64))


def _divisible(sides: tuple[int, ...]) -> bool:
  return all(n % 2 == 0 and n // 2 >= COARSEST for n in sides)


def _filter(x: np.ndarray) -> np.ndarray:
  for axis in (1, 2):
    x = ndimage.correlate1d(x, _BINOMIAL, axis=axis, mode='mirror')
  return x
