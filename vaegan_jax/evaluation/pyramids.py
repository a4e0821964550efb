"""Laplacian pyramids of images, and patches of their levels.

Source: Burt and Adelson (1983); Karras et al. (2018) for the measure.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32, UInt8
from scipy import ndimage

PATCH = 7
COARSEST = 16  # pixels: the smallest height or width of a level

_BINOMIAL = np.array([1, 4, 6, 4, 1], np.float32) / 16


def laplacian(
  pixels: UInt8[np.ndarray, '_images _height _width colours'],
) -> list[np.ndarray]:
  """Splits images into levels, each of half the height and width.

  Every level but the last is what the next cannot show; the last is the
  blurred rest. Halving ends before a side is odd or below COARSEST: images of
  64x64 have levels of 64, 32 and 16, those of 32x32 of 32 and 16.

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


def patches(
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
  cut = windows[np.arange(count) % images, tops, lefts]
  return cut.reshape(count, colours, -1).swapaxes(1, 2)


def _divisible(sides: tuple[int, ...]) -> bool:
  return all(n % 2 == 0 and n // 2 >= COARSEST for n in sides)


def _filter(x: np.ndarray) -> np.ndarray:
  for axis in (1, 2):
    x = ndimage.correlate1d(x, _BINOMIAL, axis=axis, mode='mirror')
  return x
