"""Conversion between pixels and images, and the authors' augmentation.

The random numbers of each image are arguments, so that its augmentation depends
neither on the other images nor on its device.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Float32, UInt8

# Standard normal draws per image: one for the flip, seven for the jitter.
DRAWS = 8


def to_images(
  pixels: UInt8[Array, 'batch height width channels'],
) -> Float32[Array, 'batch height width channels']:
  """Maps bytes 0..255 to [-1, 1], the range of the decoder's tanh.

  Source: dataset/util.py, commit 1906387 (`img_transform`).
  """
  return pixels.astype(jnp.float32) / 127.5 - 1


def to_pixels(
  images: Float[Array, 'batch height width channels'],
) -> UInt8[Array, 'batch height width channels']:
  """Maps [-1, 1] to the nearest bytes, and clips values outside of it."""
  levels = jnp.round((images.astype(jnp.float32) + 1) * 127.5)
  return jnp.clip(levels, 0, 255).astype(jnp.uint8)


def make_augment(
  *, flips: bool, jitters: bool
) -> Callable[
  [
    UInt8[Array, 'batch height width channels'],
    Float32[Array, 'batch draws'],
  ],
  Float32[Array, 'batch height width channels'],
]:
  """Returns a function from pixels and DRAWS numbers per image to images.

  Args:
    flips: whether to mirror half of the images.
    jitters: whether to move and recolour each image slightly.
  """

  def augment(pixels, draws):
    images = to_images(pixels)
    if flips:
      images = flip(images, draws[:, 0])
    if jitters:
      images = jitter(images, draws[:, 1:])
    return images

  return augment


def flip(
  images: Float[Array, 'batch height width channels'],
  draws: Float32[Array, ' batch'],
) -> Float[Array, 'batch height width channels']:
  """Mirrors the images whose draw is positive from left to right.

  Deviation: the authors make one draw for the whole batch.
  """
  mirrored = (draws > 0)[:, None, None, None]
  return jnp.where(mirrored, images[:, :, ::-1], images)


def jitter(
  images: Float32[Array, 'batch height width channels'],
  draws: Float32[Array, 'batch 7'],
  *,
  translation: float = 2 / 148,
  scale: float = 0.01,
  rotation: float = 0.01,
  gamma: float = 0.05,
  contrast: float = 0.05,
  hue: float = 0.01,
) -> Float32[Array, 'batch height width channels']:
  """Shifts, rotates, scales and recolours each image slightly.

  Deviation: the authors transform the full-size image before cropping, about
  its centre; here the reduced image is transformed, about its own centre, and
  its edge pixels continue beyond the edge.

  Args:
    images: in [-1, 1]; grey images have no saturation or hue to change.
    draws: standard normal.
    translation: standard deviation of each shift, in image widths.
    scale: standard deviation of the magnification about 1.
    rotation: standard deviation of the angle, in radians.
    gamma: log 2 times the standard deviation of the logarithm of the exponent
      that is applied to each channel in [0, 1].
    contrast: the same for the exponent of saturation and value (HSV).
    hue: standard deviation of the shift of hue, in turns.

  Source: dataset/augment.py and dataset/celeba.py, commit 1906387.
  """
  moved = warp(
    images,
    shift=draws[:, :2] * translation * images.shape[2],
    scale=1 + scale * draws[:, 2],
    angle=rotation * draws[:, 3],
  )
  recoloured = recolour(
    (moved + 1) / 2,
    gamma=_exponent(draws[:, 4], gamma),
    contrast=_exponent(draws[:, 5], contrast),
    hue=hue * draws[:, 6],
  )
  return recoloured * 2 - 1


def warp(
  images: Float32[Array, 'batch height width channels'],
  *,
  shift: Float32[Array, 'batch 2'],
  scale: Float32[Array, ' batch'],
  angle: Float32[Array, ' batch'],
) -> Float32[Array, 'batch height width channels']:
  """Resamples images, rotated, scaled and shifted, by bicubic interpolation.

  The pixel (y, x), counted from the centre, gets the colour at
  scale * R(angle) (y, x) + shift. Results stay within [-1, 1].
  """
  return jax.vmap(_warp)(images, shift, scale, angle)


def _warp(image: Array, shift: Array, scale: Array, angle: Array) -> Array:
  height, width = image.shape[:2]
  y = jnp.arange(height)[:, None] - (height - 1) / 2
  x = jnp.arange(width)[None, :] - (width - 1) / 2
  cos, sin = scale * jnp.cos(angle), scale * jnp.sin(angle)
  rows = _taps(cos * y + sin * x + shift[0] + (height - 1) / 2, height)
  columns = _taps(cos * x - sin * y + shift[1] + (width - 1) / 2, width)
  image = image.reshape(height * width, -1)  # [pixels, channels]
  result = jnp.zeros((height, width, image.shape[-1]), image.dtype)
  for row, row_weight in rows:
    for column, weight in columns:
      weight = (row_weight * weight)[..., None]
      result += weight * image[row * width + column]
  return jnp.clip(result, -1, 1)


def _taps(places: Array, size: int) -> list[tuple[Array, Array]]:
  """Returns the 4 pixels nearest to each place and their cubic weights."""
  first = jnp.floor(places)
  t = places - first
  weights = (
    ((-0.5 * t + 1) * t - 0.5) * t,
    (1.5 * t - 2.5) * t * t + 1,
    ((-1.5 * t + 2) * t + 0.5) * t,
    (0.5 * t - 0.5) * t * t,
  )
  index = first.astype(jnp.int32) - 1
  return [
    (jnp.clip(index + i, 0, size - 1), weight)
    for i, weight in enumerate(weights)
  ]


def recolour(
  images: Float32[Array, 'batch height width channels'],
  *,
  gamma: Float32[Array, ' batch'],
  contrast: Float32[Array, ' batch'],
  hue: Float32[Array, ' batch'],
) -> Float32[Array, 'batch height width channels']:
  """Applies exponents to channels, saturation and value, and shifts hue.

  Args:
    images: in [0, 1], like the result.
    gamma: exponent of every channel.
    contrast: exponent of saturation and value.
    hue: shift, in turns.
  """
  gamma, contrast, hue = (x[:, None, None] for x in (gamma, contrast, hue))
  images = jnp.clip(images, 0, 1) ** gamma[..., None]
  if images.shape[-1] == 1:
    return images ** contrast[..., None]
  turn, saturation, value = _to_hsv(images)
  return _from_hsv(_Hsv(turn + hue, saturation**contrast, value**contrast))


class _Hsv(NamedTuple):
  """Hue in turns, modulo 1; saturation and value in [0, 1]."""

  hue: Array
  saturation: Array
  value: Array


def _to_hsv(images: Array) -> _Hsv:
  red, green, blue = jnp.moveaxis(images, -1, 0)
  value = images.max(-1)
  spread = value - images.min(-1)
  # Grey has hue 0 and black has saturation 0, without a division by 0.
  safe_spread = jnp.where(spread > 0, spread, 1)
  safe_value = jnp.where(value > 0, value, 1)
  sixths = jnp.where(
    red == value,
    (green - blue) / safe_spread,
    jnp.where(
      green == value,
      2 + (blue - red) / safe_spread,
      4 + (red - green) / safe_spread,
    ),
  )
  return _Hsv(sixths / 6, spread / safe_value, value)


def _from_hsv(hsv: _Hsv) -> Array:
  def channel(offset: int) -> Array:
    sixths = (offset + hsv.hue * 6) % 6
    dark = jnp.clip(jnp.minimum(sixths, 4 - sixths), 0, 1)
    return hsv.value * (1 - hsv.saturation * dark)

  return jnp.stack([channel(offset) for offset in (5, 3, 1)], -1)


def _exponent(noise: Array, sd: float) -> Array:
  """Returns exp(N(sd^2, sd) / log 2), the authors' distribution about 1."""
  return jnp.exp((sd**2 + sd * noise) / math.log(2))
