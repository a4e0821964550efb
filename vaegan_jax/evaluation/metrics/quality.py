"""How near images are to their originals, and how sharp they are.

Computed from pixels, 0..255, errors and means in float64.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float, Float32, UInt8
from scipy import fft, ndimage

Pixels = UInt8[np.ndarray, '_images _height _width colours']
# Pixels -> float32 [images, features]: an oracle's, Inception's or random ones.
Extract = Callable[[np.ndarray], Float32[np.ndarray, '_images _features']]

LEVELS = 255  # the data range of a pixel

# Wang et al. (2004): an 11x11 window, circular Gaussian of sd 1.5.
WINDOW = 11
SIGMA = 1.5
K1, K2 = 0.01, 0.03

_PART = 1024  # images in float64 at a time: bounds memory


def reconstructions(
  pixels: Pixels, reference: Pixels, *, features: Extract
) -> dict[str, float]:
  """Measures reconstructions by the means over pairs of images.

  Args:
    pixels: of the reconstructions.
    reference: of their originals, in the same order; at least two.
    features: computes what 'feature_distance' compares.

  Returns:
    'psnr' in decibels, 'ssim', 'pixel_error' (root mean square in levels of
    0..255), 'feature_distance' and 'high_frequency_ratio', each as the
    function of its name says.

  Raises:
    ValueError: the shapes differ, or what `ssim` and `feature_distance` raise.
  """
  return {
    'psnr': float(psnr(pixels, reference).mean()),
    'ssim': float(ssim(pixels, reference).mean()),
    'pixel_error': float(np.sqrt(_squared_errors(pixels, reference)).mean()),
    'feature_distance': feature_distance(features(pixels), features(reference)),
    'high_frequency_ratio': high_frequency_ratio(pixels, reference),
  }


def psnr(pixels: Pixels, reference: Pixels) -> Float[np.ndarray, ' _images']:
  """Computes the peak signal-to-noise ratio of each image, in decibels.

  20 log10(255 / rmse), the error taken over all pixels and colours; infinite
  for an image that equals its original.

  Raises:
    ValueError: the shapes differ.
  """
  with np.errstate(divide='ignore'):
    return 10 * np.log10(LEVELS**2 / _squared_errors(pixels, reference))


def ssim(pixels: Pixels, reference: Pixels) -> Float[np.ndarray, ' _images']:
  """Computes the structural similarity of each image, from -1 to 1 (equal).

  The mean over colours, as in scikit-image and torchmetrics, and over all
  places where the window lies within the image.

  Source: Wang, Bovik, Sheikh and Simoncelli (2004), equation 13, for luma.

  Raises:
    ValueError: the shapes differ, or an image is smaller than the window.
  """
  _check(pixels, reference)
  if min(pixels.shape[1:3]) < WINDOW:
    raise ValueError(
      f'images of {pixels.shape[1]}x{pixels.shape[2]}: SSIM needs at least its '
      f'window, {WINDOW}x{WINDOW} pixels'
    )
  return _over_pairs(_ssim, pixels, reference)


def high_frequency_ratio(pixels: Pixels, reference: Pixels) -> float:
  """Computes how sharp images are, as a ratio of energies.

  The energy of all frequencies above half of Nyquist's, averaged over images
  and colours, over that of the reference: 1 is as sharp as the reference,
  0.1 to 0.4 visibly blurred, above 1 noisy. The sets need not be paired.

  Raises:
    ValueError: the images differ in shape, or the reference is flat.
  """
  if pixels.shape[1:] != reference.shape[1:]:
    raise ValueError(
      f'images of shape {pixels.shape[1:]} and a reference of shape '
      f'{reference.shape[1:]}: both must have one size'
    )
  energy = _high_energy(reference).mean()
  # A flat image keeps the rounding errors of its transform.
  if energy < 1e-9:
    raise ValueError(
      'the reference holds no energy above half of the Nyquist frequency: '
      'expected images with edges or texture'
    )
  return float(_high_energy(pixels).mean() / energy)


def feature_distance(
  features: Float32[np.ndarray, 'images features'],
  reference: Float32[np.ndarray, 'images features'],
) -> float:
  """Computes how far reconstructions lie from their originals in features.

  The mean Euclidean distance of a pair, over the mean distance between two
  different originals: 0 is perfect, 1 no better than another image.

  Args:
    features: of the reconstructions.
    reference: of their originals, in the same order.

  Raises:
    ValueError: fewer than two originals, or all of them alike.
  """
  originals = reference.astype(np.float64)
  if len(originals) < 2:
    raise ValueError(
      f'{len(originals)} original: two different images give the scale of '
      'distances, so give at least 2'
    )
  # Each original against those 1, 2, 4, ... places away stands for all pairs.
  others = [
    np.roll(originals, 2**i, axis=0)
    for i in range(len(originals).bit_length())
    if 2**i < len(originals)
  ]
  apart = np.mean([_distances(originals, other) for other in others])
  if not apart:
    raise ValueError('all originals have the same features: nothing to compare')
  return float(_distances(features, originals).mean() / apart)


def _distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
  return np.linalg.norm(a.astype(np.float64) - b, axis=-1)


def _check(pixels: np.ndarray, reference: np.ndarray) -> None:
  if pixels.shape != reference.shape:
    raise ValueError(
      f'images of shape {pixels.shape} and originals of shape '
      f'{reference.shape}: each image needs its original'
    )


def _over_pairs(
  function: Callable, pixels: np.ndarray, reference: np.ndarray
) -> np.ndarray:
  """Calls a function of two float64 arrays on parts of bounded size."""
  _check(pixels, reference)
  return np.concatenate(
    [
      function(
        pixels[start : start + _PART].astype(np.float64),
        reference[start : start + _PART].astype(np.float64),
      )
      for start in range(0, len(pixels), _PART)
    ]
  )


def _squared_errors(pixels: np.ndarray, reference: np.ndarray) -> np.ndarray:
  return _over_pairs(
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
  """Averages over each window that lies within the image."""
  offsets = np.arange(WINDOW) - WINDOW // 2
  weights = np.exp(-0.5 * np.square(offsets / SIGMA))
  inside = slice(WINDOW // 2, -(WINDOW // 2))
  x = ndimage.correlate1d(x, weights / weights.sum(), axis=1)[:, inside]
  return ndimage.correlate1d(x, weights / weights.sum(), axis=2)[:, :, inside]


def _high_energy(pixels: np.ndarray) -> np.ndarray:
  """Sums each image's energy above half of Nyquist's frequency.

  The cosine transform continues an image by its mirror image, so that its
  borders are no edges; the Fourier transform would see them in every image.
  """
  height, width = pixels.shape[1:3]
  # Coefficient k of n has k / n of Nyquist's frequency.
  vertical, horizontal = np.arange(height) / height, np.arange(width) / width
  high = np.hypot(vertical[:, None], horizontal) > 0.5
  energies = []
  for start in range(0, len(pixels), _PART):
    part = pixels[start : start + _PART].astype(np.float32)
    spectrum = fft.dctn(part, axes=(1, 2), norm='ortho')
    energies.append(np.square(spectrum[:, high]).sum(axis=(1, 2)))
  return np.concatenate(energies).astype(np.float64)
