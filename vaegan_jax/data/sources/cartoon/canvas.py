"""Coordinates, coverage and coats of paint."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

Plane = Float[Array, 'height width']
Picture = Float[Array, '3 height width']
Colour = Float[Array | np.ndarray, '3']
Number = Float[Array, ''] | float

# Paint, and its coverage from 0 (none) to 1 (opaque); the last coat is on top.
Coats = list[tuple[Colour | Picture, Plane]]


class Frame(NamedTuple):
  """A coordinate system over the image.

  Attributes:
    x: to the right, 0 in the middle; the shorter side spans about -1 to 1.
    y: downwards.
    pixel: the side of a pixel in the same units.
  """

  x: Plane
  y: Plane
  pixel: Float[Array, '']


def grid(size: tuple[int, int]) -> Frame:
  """Returns the pixel centres; the shorter side spans -1 to 1."""
  height, width = size
  unit = min(size) / 2
  y = (jnp.arange(height) + 0.5 - height / 2) / unit
  x = (jnp.arange(width) + 0.5 - width / 2) / unit
  x, y = jnp.meshgrid(x, y)
  return Frame(x, y, jnp.float32(1 / unit))


def place(
  frame: Frame, *, shift: tuple[Number, Number], scale: Number, tilt: Number
) -> Frame:
  """Returns a frame whose content is scaled, turned by tilt and shifted."""
  x, y = (frame.x - shift[0]) / scale, (frame.y - shift[1]) / scale
  cosine, sine = jnp.cos(tilt), jnp.sin(tilt)
  return Frame(
    cosine * x + sine * y, cosine * y - sine * x, frame.pixel / scale
  )


def cover(distance: Plane, pixel: Number) -> Plane:
  """Returns the share of each pixel that a shape with straight edges covers."""
  return jnp.clip(0.5 - distance / pixel, 0, 1)


def soft(distance: Plane, width: Number) -> Plane:
  """Fades a shape smoothly over `width` on either side of its outline."""
  ramp = jnp.clip(0.5 - 0.5 * distance / width, 0, 1)
  return ramp * ramp * (3 - 2 * ramp)


def fill(colour: Colour, like: Plane) -> Picture:
  """Spreads one colour over the plane, multiplied by the plane's values."""
  return jnp.asarray(colour)[:, None, None] * like


def paint(picture: Picture, coats: Coats) -> Picture:
  """Lays coats of paint over a picture."""
  for colour, coverage in coats:
    colour = jnp.asarray(colour)
    if colour.ndim == 1:
      colour = colour[:, None, None]
    picture = picture + (colour - picture) * coverage
  return picture


def fade(period: Number, pixel: Number) -> Number:
  """Weighs a texture: 0 up to three pixels per period, 1 from six pixels on.

  Textures that are too fine for the resolution vanish instead of aliasing.
  """
  return jnp.clip((period / pixel - 3) / 3, 0, 1)


def waves(
  across: Plane, periods: tuple[float, ...], pixel: Number, *, bend: Plane
) -> Plane:
  """Sums sinusoids in `across`, each weaker than the one before.

  `bend` (in periods) breaks their regularity; the sum stays within +-2.
  """
  total = jnp.zeros_like(across)
  for order, period in enumerate(periods):
    wave = jnp.sin(2 * jnp.pi * (across / period + bend * (1 + order)))
    total = total + 0.7**order * fade(period, pixel) * wave
  return total
