"""Resizes images as the authors' code does: blur, then interpolate.

Source: dataset/celeba.py, commit 1906387 (`_resize`).
"""

from __future__ import annotations

import functools
import math

import numpy as np
from jaxtyping import Float, UInt8
from scipy import sparse

# Part of every fingerprint. Raise it when the pixels change.
VERSION = 1

# Where scipy.ndimage, which the authors use, truncates the Gaussian.
_SIGMAS = 4.0


def fit(
  image: UInt8[np.ndarray, 'height width channels'], size: tuple[int, int]
) -> UInt8[np.ndarray, 'new_height new_width channels']:
  """Crops to the aspect ratio of `size` about the centre, then resizes."""
  return resize(crop(image, size), size)


def crop(
  image: UInt8[np.ndarray, 'height width channels'], size: tuple[int, int]
) -> UInt8[np.ndarray, 'new_height new_width channels']:
  """Crops the largest centred box with the aspect ratio of `size`."""
  height, width = image.shape[:2]
  scale = min(height / size[0], width / size[1])
  rows = min(height, max(1, round(size[0] * scale)))
  columns = min(width, max(1, round(size[1] * scale)))
  top, left = (height - rows) // 2, (width - columns) // 2
  return image[top : top + rows, left : left + columns]


def resize(
  image: UInt8[np.ndarray, 'height width channels'], size: tuple[int, int]
) -> UInt8[np.ndarray, 'new_height new_width channels']:
  """Blurs, interpolates at the new pixels' centres, rounds and clips.

  Deviation: the authors truncate to bytes where we round, so their images are
  darker by half a level on average. Beyond the edge we repeat the last pixel.
  """
  height, width, channels = image.shape
  rows, columns = matrix(height, size[0]), matrix(width, size[1])
  # Each product contracts the leading axis; the others are merged.
  x = image.astype(np.float32).reshape(height, width * channels)
  x = (rows @ x).reshape(size[0], width, channels).transpose(1, 0, 2)
  x = columns @ x.reshape(width, size[0] * channels)
  x = x.reshape(size[1], size[0], channels).transpose(1, 0, 2)
  return np.clip(np.rint(x), 0, 255).astype(np.uint8)


def sigma(scale: float) -> float:
  """Returns the blur before a reduction by `scale`, in original pixels.

  Deviation: the authors use sqrt(scale) / 2 (0.76 for 148 -> 64). Large
  reductions would alias, so beyond 2.6 we use (scale - 1) / 2, as later
  versions of scikit-image do. Enlarging needs no blur.
  """
  return 0.0 if scale <= 1 else max(math.sqrt(scale), scale - 1) / 2


@functools.lru_cache(maxsize=1024)
def matrix(size: int, new_size: int) -> sparse.csr_array:
  """Builds blur and interpolation of one axis as a [new_size, size] matrix.

  It is sparse because most weights are zero, and because BLAS starts threads
  for a small dense product, which cost thirty times the product itself.
  """
  scale = size / new_size
  centres = (np.arange(new_size) + 0.5) * scale - 0.5
  first = np.floor(centres).astype(np.int64)
  taps = first[:, None] + np.arange(-1, 3)
  cubic = keys(centres[:, None] - taps)
  offsets, blur = _gaussian(sigma(scale))
  # Clamped twice: the blurred image, too, is extended by its last pixel.
  columns = np.clip(taps, 0, size - 1)[:, :, None] + offsets
  columns = np.clip(columns, 0, size - 1)
  weights = cubic[:, :, None] * blur
  rows = np.broadcast_to(np.arange(new_size)[:, None, None], columns.shape)
  entries = (weights.ravel(), (rows.ravel(), columns.ravel()))
  merged = sparse.coo_array(entries, shape=(new_size, size)).tocsr()
  return merged.astype(np.float32)


def keys(distance: Float[np.ndarray, '*shape']) -> Float[np.ndarray, '*shape']:
  """Evaluates Keys' cubic kernel (a = -1/2): 1 at 0, and 0 beyond 2."""
  x = np.abs(distance)
  near = (1.5 * x - 2.5) * x**2 + 1
  far = ((-0.5 * x + 2.5) * x - 4) * x + 2
  return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def _gaussian(sigma: float) -> tuple[np.ndarray, np.ndarray]:
  """Samples a Gaussian at integer offsets; the weights sum to 1."""
  radius = int(_SIGMAS * sigma + 0.5)
  offsets = np.arange(-radius, radius + 1)
  if not radius:
    return offsets, np.ones(1)
  weights = np.exp(-0.5 * (offsets / sigma) ** 2)
  return offsets, weights / weights.sum()
