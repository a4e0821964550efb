"""The sliced Wasserstein distance of patches, over Laplacian pyramids."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float32
from scipy import ndimage

from vaegan_jax.evaluation.metrics import quality

Maps: TypeAlias = Float32[np.ndarray, 'images _height _width channels']

PATCH = 7
PER_IMAGE = 16  # patches drawn per image, about
COARSEST = 16  # pixels: the smallest height or width of a level

_BINOMIAL = np.array([1, 4, 6, 4, 1], np.float32) / 16


class SlicedWasserstein(NamedTuple):
  """Distances by level of a pyramid.

  Attributes:
    levels: the distance by height in pixels, finest level first.
    mean: the mean over levels.
  """

  levels: dict[int, float]
  mean: float


def sliced_wasserstein(
  pixels: quality.Pixels,
  reference: quality.Pixels,
  *,
  seed: int = 0,
  patches: int = 32_768,
  directions: int = 128,
) -> SlicedWasserstein:
  """Computes the sliced Wasserstein distance of patches, level by level.

  At each level of a Laplacian pyramid, 7x7 patches are drawn at random and
  projected on random unit vectors. The distance is the mean difference of the
  sorted projections, averaged over directions. Patches of both sets have the
  same positions, so equal sets have distance 0. Lower is better.

  The unit is a standard deviation of the reference at that level and colour;
  the source prints 1000 times as much.

  Source: Karras et al. (2018), section 5.
  Deviation: both sets are standardised by the reference. The authors' code
  standardises each by itself, which hides the energy that blur removes.

  Args:
    pixels: the samples.
    reference: real images of the same shape.
    seed: determines positions and directions.
    patches: the maximum from each set, spread evenly over its images; no more
      than PER_IMAGE times the images of the larger set are drawn.
    directions: the number of random directions.

  Raises:
    ValueError: the images differ in shape, or are smaller than a patch.
  """
  quality.check_same_size(pixels, reference)
  count = min(patches, PER_IMAGE * max(len(pixels), len(reference)))
  # `count` patches come from at most `count` images.
  pyramids = [laplacian(p[:count]) for p in (pixels, reference)]
  levels = {}
  for number, pair in enumerate(zip(*pyramids, strict=True)):
    ours, theirs = (
      cut(maps, count, generator=np.random.default_rng((seed, number)))
      for maps in pair
    )
    slices = _directions(
      ours[0].size, directions, np.random.default_rng((seed, number, 1))
    )
    levels[pair[0].shape[1]] = _sliced(ours, theirs, slices)
  return SlicedWasserstein(levels, float(np.mean(list(levels.values()))))


def laplacian(pixels: quality.Pixels) -> list[np.ndarray]:
  """Splits images into levels, each with half the height and width.

  Each level but the last is the detail that the next level lacks; the last is
  the blurred rest. Halving ends before a side is odd or below COARSEST: images
  of 64x64 have levels of 64, 32 and 16, those of 32x32 of 32 and 16.

  Source: Burt and Adelson (1983).

  Returns:
    float32 [images, height, width, channels] for each level, finest first;
    their sum, each enlarged, is the image.
  """
  level = pixels.astype(np.float32)
  levels = []
  while all(n % 2 == 0 and n // 2 >= COARSEST for n in level.shape[1:3]):
    smaller = _blur(level)[:, ::2, ::2]
    levels.append(level - enlarge(smaller))
    level = smaller
  return [*levels, level]


def enlarge(level: Maps) -> Maps:
  """Doubles height and width without adding detail."""
  images, height, width, channels = level.shape
  spread = np.zeros((images, 2 * height, 2 * width, channels), np.float32)
  spread[:, ::2, ::2] = 4 * level
  return _blur(spread)


def cut(
  maps: Maps, count: int, *, generator: np.random.Generator
) -> Float32[np.ndarray, '_count place channels']:
  """Cuts 7x7 patches at random positions, from each image in turn.

  The positions depend only on the generator and on the maps' height and width.

  Raises:
    ValueError: the maps are smaller than a patch, or there are none.
  """
  images, height, width, channels = maps.shape
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
  return chosen.reshape(count, channels, -1).swapaxes(1, 2)


def _directions(
  size: int, count: int, generator: np.random.Generator
) -> Float32[np.ndarray, 'count size']:
  """Draws unit vectors."""
  slices = generator.standard_normal((count, size), np.float32)
  return slices / np.linalg.norm(slices, axis=1, keepdims=True)


def _sliced(
  patches: np.ndarray, reference: np.ndarray, slices: np.ndarray
) -> float:
  """Compares patches [patches, place, channels] along each direction."""
  mean = reference.mean(axis=(0, 1), dtype=np.float64)
  sd = reference.std(axis=(0, 1), dtype=np.float64)
  # A constant colour has no standard deviation: its unit is 1.
  mean, sd = (x.astype(np.float32) for x in (mean, np.where(sd > 0, sd, 1)))
  ours, theirs = (
    np.sort(slices @ ((p - mean) / sd).reshape(len(p), -1).T, axis=1)
    for p in (patches, reference)
  )
  return float(np.abs(ours - theirs).mean(dtype=np.float64))


def _blur(x: np.ndarray) -> np.ndarray:
  for axis in (1, 2):
    x = ndimage.correlate1d(x, _BINOMIAL, axis=axis, mode='mirror')
  return x
