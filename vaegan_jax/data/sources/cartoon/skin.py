"""Paints neck, ears, face and nose."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from vaegan_jax.data.sources.cartoon import canvas, palette, shapes, sitter

BLUSH = palette.rgb('ef5566')[0]
SHADE = np.array([0.80, 0.66, 0.64], np.float32)  # shadows on skin are warm
STUBBLE = palette.rgb('39404f')[0]


def neck(person: sitter.Sitter) -> canvas.Coats:
  """Paints the neck in the shadow of the chin, and the double chin."""
  x, y, pixel = person.body
  width = 0.17 + 0.05 * person.has['Male'] + 0.02 * person.has['Chubby']
  shape = shapes.box(x, y - 0.75, half=(width, 0.4), corner=0.05)
  shoulders = shapes.ellipse(x, y - 1.02, radii=(0.5, 0.3))
  shape = shapes.join(shape, shoulders, blend=0.15)
  below = canvas.soft(person.face - 0.05, 0.1) * canvas.cover(shape, pixel)
  return [
    (_lit(person, person.body), canvas.cover(shape, pixel)),
    (person.skin * SHADE * 0.9, 0.75 * below),
    *_double_chin(person),
  ]


def _double_chin(person: sitter.Sitter) -> canvas.Coats:
  x, y, pixel = person.head
  wide = 0.33 + 0.04 * person.has['Chubby']
  fold = shapes.ellipse(x, y - 0.38, radii=(wide, 0.25))
  rim = canvas.soft(fold - 0.02, 0.05) * person.has['Double_Chin']
  inside = canvas.cover(fold, pixel) * person.has['Double_Chin']
  return [(person.skin * SHADE * 0.8, 0.8 * rim), (person.skin * 0.96, inside)]


def ears(person: sitter.Sitter) -> canvas.Coats:
  """Paints both ears."""
  x, y, pixel = person.head
  wide = 0.46 + 0.07 * person.has['Chubby'] - 0.03 * person.has['Oval_Face']
  x = jnp.abs(x + 0.4 * person.turn) - wide
  outer = shapes.ellipse(x, y + 0.01, radii=(0.085, 0.135))
  inner = shapes.ellipse(x - 0.015, y + 0.005, radii=(0.045, 0.085))
  return [
    (person.skin * 0.95, canvas.cover(outer, pixel)),
    (person.skin * SHADE, 0.7 * canvas.soft(inner, 0.03)),
  ]


def face(person: sitter.Sitter) -> canvas.Coats:
  """Paints the face with its light, cheeks, freckles and wrinkles."""
  rim = canvas.soft(person.face + 0.02, 0.17)
  details = [
    (person.skin * SHADE, 0.55 * (1 - rim)),
    *_cheeks(person),
    _freckles(person),
    _wrinkles(person),
  ]
  coat = canvas.paint(_lit(person, person.head), details)
  return [(coat, canvas.cover(person.face, person.head.pixel))]


def _lit(person: sitter.Sitter, frame: canvas.Frame) -> canvas.Picture:
  """Colours skin by the direction of the light, with a fine grain."""
  light = 1 + 0.13 * person.light * frame.x - 0.05 * frame.y
  bend = jnp.sin(9 * frame.x + 7 * frame.y + 6.28 * person.look.grain)
  grain = canvas.waves(
    frame.x + 0.6 * frame.y, (0.11, 0.053), frame.pixel, bend=0.3 * bend
  ) * canvas.waves(
    frame.y - 0.5 * frame.x, (0.13, 0.061), frame.pixel, bend=bend
  )
  return jnp.clip(canvas.fill(person.skin, light + 0.012 * grain), 0, 1)


def _cheeks(person: sitter.Sitter) -> canvas.Coats:
  x, y, _ = person.head
  x = jnp.abs(x - person.turn)
  rosy = 0.12 + 0.6 * person.has['Rosy_Cheeks']
  high = person.has['High_Cheekbones']
  spot = jnp.sqrt(shapes.blob(x - 0.28, y - 0.15, radii=(0.16, 0.14)))
  hollow = shapes.blob(
    x - 0.34 + 0.5 * (y - 0.24), y - 0.24, radii=(0.11, 0.13)
  )
  bone = shapes.blob(x - 0.29, y - 0.06 + 0.4 * (x - 0.29), radii=(0.13, 0.055))
  return [
    (BLUSH, rosy * spot),
    (person.skin * SHADE * 0.85, 0.9 * high * hollow),
    (person.skin * 0.6 + 0.4, 0.8 * high * bone),
  ]


def _freckles(person: sitter.Sitter) -> tuple[canvas.Colour, canvas.Plane]:
  x, y, pixel = person.head
  period = 0.075
  u, v = 6.2832 * x / period, 6.2832 * y / period
  dots = jnp.sin(u + 2 * jnp.sin(0.31 * v)) * jnp.sin(v + 2 * jnp.sin(0.27 * u))
  dots = jnp.clip(2.5 * dots - 1, 0, 1) * canvas.fade(period, pixel)
  where = shapes.blob(
    jnp.abs(x - person.turn) - 0.2, y - 0.1, radii=(0.24, 0.16)
  )
  strength = jnp.clip(4 * person.look.freckles - 2.6, 0, 1)
  return person.skin * SHADE * 0.9, 0.7 * strength * dots * where


def _wrinkles(person: sitter.Sitter) -> tuple[canvas.Colour, canvas.Plane]:
  x, y, pixel = person.head
  x = jnp.abs(x - person.turn)
  brow = jnp.minimum(
    shapes.arc(x, y + 0.38, half_width=0.22, rise=0.03, thickness=0.008),
    shapes.arc(x, y + 0.315, half_width=0.18, rise=0.025, thickness=0.008),
  )
  upper, lower = ((0.34, -0.07), (0.42, -0.12)), ((0.34, -0.03), (0.42, 0.0))
  feet = jnp.minimum(
    shapes.segment(x, y, start=upper[0], end=upper[1], thickness=0.007),
    shapes.segment(x, y, start=lower[0], end=lower[1], thickness=0.007),
  )
  fold = shapes.arc(
    x - 0.16 + 0.25 * (y - 0.2),
    y - 0.22 - 1.3 * (x - 0.16),
    half_width=0.06,
    rise=-0.025,
    thickness=0.01,
  )
  lines = jnp.minimum(jnp.minimum(brow, feet), fold)
  aged = 1 - person.has['Young']
  return person.skin * SHADE * 0.7, 0.75 * aged * canvas.cover(lines, pixel)


def nose(person: sitter.Sitter) -> canvas.Coats:
  """Paints a nose, round or pointed, small or big."""
  size = 0.92 + 1.08 * person.has['Big_Nose']
  side = jnp.where(person.light > 0, -1.0, 1.0)
  x = (person.head.x - 1.4 * person.turn) * side
  pointed = _pointed_nose(person, x, size=size)
  return [*_round_nose(person, x, size=size), *pointed]


def _round_nose(
  person: sitter.Sitter, x: canvas.Plane, *, size: Float[Array, '']
) -> canvas.Coats:
  present = 1 - person.has['Pointy_Nose']
  y = person.head.y - 0.14 - 0.02 * person.has['Big_Nose']
  under = palette.mix(person.skin * SHADE, BLUSH, 0.25)
  ball = shapes.ellipse(x, y, radii=(0.062 * size, 0.05 * size))
  lit = shapes.ellipse(x, y + 0.012, radii=(0.055 * size, 0.04 * size))
  nostrils = shapes.ellipse(
    jnp.abs(x) - 0.035 * size,
    y - 0.03 * size,
    radii=(0.016 * size, 0.011 * size),
  )
  holes = present * canvas.cover(nostrils, person.head.pixel)
  shine = shapes.blob(x + 0.015, y + 0.02, radii=(0.035, 0.03))
  return [
    (under, 0.9 * present * canvas.soft(ball - 0.014, 0.02)),
    (person.skin, present * canvas.soft(lit, 0.015)),
    (person.skin * SHADE * 0.53, holes),
    (person.skin * 0.6 + 0.4, 0.8 * present * shine),
  ]


def _pointed_nose(
  person: sitter.Sitter, x: canvas.Plane, *, size: Float[Array, '']
) -> canvas.Coats:
  y, pixel = person.head.y, person.head.pixel
  pointy, ink = person.has['Pointy_Nose'], person.skin * SHADE * 0.75
  tip, base, width = 0.16 + 0.04 * size, 0.145, 0.07 * size
  # A dark flank from the bridge to the tip, then a sharp v under it.
  right = (x - width * (y + 0.08) / 0.225) * 0.95
  under = y - tip + (tip - base) * x / width
  flank = jnp.maximum(jnp.maximum(-x, right), under)
  edge = shapes.segment(
    jnp.abs(x), y, start=(0.0, tip), end=(width, base), thickness=0.012
  )
  return [
    (ink, 0.55 * pointy * canvas.cover(flank, pixel)),
    (ink * 0.75, pointy * canvas.cover(edge, pixel)),
  ]
