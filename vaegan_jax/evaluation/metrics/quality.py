"""Quality of images against their originals, and their sharpness.

All functions take pixels in 0..255; errors and means are float64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Float32, UInt8
from scipy import fft, ndimage

from vaegan_jax.evaluation import features

Pixels: TypeAlias = UInt8[np.ndarray, '_images _height _width channels']
ByImage: TypeAlias = Float[np.ndarray, ' _images']

LEVELS = 255  # the data range of a pixel

# Wang et al. (2004): an 11x11 window, a circular Gaussian of sd 1.5.
WINDOW = 11
SIGMA = 1.5
K1, K2 = 0.01, 0.03

_CHUNK = 1024  # images in float64 at a time: bounds memory


def compare_pairs(
  images: features.ImageSet, reference: features.ImageSet
) -> dict[str, float]:
  """Computes every metric of pairs, such as reconstructions and originals.

  Args:
    images: the reconstructions.
    reference: their originals, in the same order; at least two.

  Returns:
    'psnr' in decibels, 'ssim', 'pixel_error' (root mean square in levels of
    0..255), 'feature_distance' and 'high_frequency_ratio', as means over
    images.

  Raises:
    ValueError: the shapes differ, or one of the metrics raises it.
  """
  pixels = images.pixels, reference.pixels
  return {
    'psnr': float(psnr(*pixels).mean()),
    'ssim': float(ssim(*pixels).mean()),
    'pixel_error': float(np.sqrt(_squared_errors(*pixels)).mean()),
    'feature_distance': feature_distance(images.features, reference.features),
    'high_frequency_ratio': high_frequency_ratio(*pixels),
  }


def psnr(pixels: Pixels, reference: Pixels) -> ByImage:
  """Computes the peak signal-to-noise ratio of each image, in decibels.

  20 log10(255 / rmse), with the error over all pixels and channels; infinite
  for an image that equals its original. Higher is better.

  Raises:
    ValueError: the shapes differ.
  """
  with np.errstate(divide='ignore'):
    return 10 * np.log10(LEVELS**2 / _squared_errors(pixels, reference))


def ssim(pixels: Pixels, reference: Pixels) -> ByImage:
  """Computes the structural similarity of each image, from -1 to 1 (equal).

  It is the mean over channels, as in scikit-image and torchmetrics, and over
  all windows that lie inside the image. Higher is better.

  Source: Wang, Bovik, Sheikh and Simoncelli (2004), equation 13, for luma.

  Raises:
    ValueError: the shapes differ, or an image is smaller than the window.
  """
  _check_same_shape(pixels, reference)
  if min(pixels.shape[1:3]) < WINDOW:
    raise ValueError(
      f'images of {pixels.shape[1]}x{pixels.shape[2]}: SSIM needs at least its '
      f'window, {WINDOW}x{WINDOW} pixels'
    )
  return _by_chunk(_ssim, pixels, reference)


def high_frequency_ratio(pixels: Pixels, reference: Pixels) -> float:
  """Computes the sharpness of images as a ratio of energies.

  The energy above half of the Nyquist frequency, averaged over images and
  channels, divided by that of the reference: 1 is as sharp as the reference,
  0.1 to 0.4 visibly blurred, above 1 noisy. The sets need not be paired.

  Raises:
    ValueError: the images differ in shape, or the reference is flat.
  """
  check_same_size(pixels, reference)
  energy = _high_energy(reference).mean()
  # A flat image keeps the rounding errors of its transform.
  if energy < 1e-9:
    raise ValueError(
      'the reference has no energy above half of the Nyquist frequency: '
      'expected images with edges or texture'
    )
  return float(_high_energy(pixels).mean() / energy)


def feature_distance(
  features: Float32[np.ndarray, 'images features'],
  reference: Float32[np.ndarray, 'images features'],
) -> float:
  """Computes the distance of reconstructions from their originals in features.

  It is the mean Euclidean distance of a pair, divided by the mean distance
  between two different originals: 0 is perfect, 1 is that of another image.

  Args:
    features: features of the reconstructions.
    reference: features of their originals, in the same order.

  Raises:
    ValueError: fewer than two originals, or all of them have equal features.
  """
  originals = reference.astype(np.float64)
  if len(originals) < 2:
    raise ValueError(
      f'{len(originals)} original: expected at least 2, as the distance '
      'between originals is the unit'
    )
  # Distances of originals that are 1, 2, 4, ... rows apart stand for those of
  # all pairs; they are shuffled, as classes may lie side by side.
  shuffled = np.random.default_rng(0).permutation(originals)
  others = [
    np.roll(shuffled, 2**i, axis=0)
    for i in range(len(originals).bit_length())
    if 2**i < len(originals)
  ]
  unit = np.mean([_euclidean(shuffled, other) for other in others])
  if not unit:
    raise ValueError(
      'all originals have the same features: expected different images'
    )
  return float(_euclidean(features, originals).mean() / unit)


def check_same_size(pixels: Pixels, reference: Pixels) -> None:
  """Raises ValueError if two sets differ in height, width or channels."""
  if pixels.shape[1:] != reference.shape[1:]:
    raise ValueError(
      f'images of shape {pixels.shape[1:]} and a reference of shape '
      f'{reference.shape[1:]}: both must have one size'
    )


def _euclidean(a: np.ndarray, b: np.ndarray) -> np.ndarray:
  return np.linalg.norm(a.astype(np.float64) - b, axis=-1)


def _check_same_shape(pixels: np.ndarray, reference: np.ndarray) -> None:
  if pixels.shape != reference.shape:
    raise ValueError(
      f'images of shape {pixels.shape} and originals of shape '
      f'{reference.shape}: each image needs its original'
    )


def _by_chunk(
  function: Callable[..., np.ndarray], *arrays: np.ndarray
) -> np.ndarray:
  """Calls a function of float64 arrays on a bounded number of rows."""
  chunks = [
    function(*(x[i : i + _CHUNK].astype(np.float64) for x in arrays))
    for i in range(0, len(arrays[0]), _CHUNK)
  ]
  return np.concatenate(chunks)


def _squared_errors(pixels: np.ndarray, reference: np.ndarray) -> np.ndarray:
  _check_same_shape(pixels, reference)
  return _by_chunk(
    lambda x, y: np.square(x - y).mean(axis=(1, 2, 3)), pixels, reference
  )


def _ssim(x: np.ndarray, y: np.ndarray) -> np.ndarray:
  c1, c2 = (K1 * LEVELS) ** 2, (K2 * LEVELS) ** 2
  mean_x, mean_y = _window(x), _window(y)
  variance_x = _window(x * x) - mean_x**2
  variance_y = _window(y * y) - mean_y**2
  covariance = _window(x * y) - mean_x * mean_y
  luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
  structure = (2 * covariance + c2) / (variance_x + variance_y + c2)
  return (luminance * structure).mean(axis=(1, 2, 3))


def _window(x: np.ndarray) -> np.ndarray:
  """Averages over each window that lies inside the image."""
  offsets = np.arange(WINDOW) - WINDOW // 2
  weights = np.exp(-0.5 * np.square(offsets / SIGMA))
  weights /= weights.sum()
  inside = slice(WINDOW // 2, -(WINDOW // 2))
  x = ndimage.correlate1d(x, weights, axis=1)[:, inside]
  return ndimage.correlate1d(x, weights, axis=2)[:, :, inside]


def _high_energy(pixels: np.ndarray) -> np.ndarray:
  """Sums each image's energy above half of the Nyquist frequency.

  The cosine transform extends an image by its mirror image, so the borders
  add no edges; a Fourier transform would see edges there.
  """
  height, width = pixels.shape[1:3]
  # Coefficient k of n has k / n of the Nyquist frequency.
  vertical, horizontal = np.arange(height) / height, np.arange(width) / width
  high = np.hypot(vertical[:, None], horizontal) > 0.5

  def energy(x: np.ndarray) -> np.ndarray:
    spectrum = fft.dctn(x.astype(np.float32), axes=(1, 2), norm='ortho')
    return np.square(spectrum[:, high]).sum(axis=(1, 2))

  return _by_chunk(energy, pixels).astype(np.float64)
