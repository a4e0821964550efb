"""Paints eyes, brows and mouth."""

from __future__ import annotations

import jax.numpy as jnp

from vaegan_jax.data.sources.cartoon import (
  canvas,
  palette,
  shapes,
  sitter,
  skin,
)

INK = palette.rgb('2a1a1c')[0]
BROW = palette.rgb('2c1d18', '5a3a24')
WHITE = palette.rgb('fffdf8')[0]
TEETH = palette.rgb('fffaf0')[0]
MOUTH = palette.rgb('5a1420')[0]
BAG = palette.rgb('5d3a5e')[0]


def _eye(person: sitter.Sitter) -> tuple[canvas.Plane, canvas.Plane]:
  """Centres both eyes on the origin, the outer corner to the right."""
  return jnp.abs(person.head.x - person.turn) - 0.2, person.head.y + 0.06


def eyes(person: sitter.Sitter) -> canvas.Coats:
  """Paints both eyes with lids, lashes, makeup and bags."""
  x, y = _eye(person)
  pixel, male = person.head.pixel, person.has['Male']
  opening = 0.078 - 0.048 * person.has['Narrow_Eyes']
  lids = shapes.leaf(x, y, half_width=0.118, top=opening, bottom=0.8 * opening)
  seen = canvas.cover(lids, pixel)
  lid = shapes.arc(
    x,
    y + opening,
    half_width=0.122,
    rise=opening,
    thickness=0.018 - 0.006 * male,
  )
  lash = shapes.segment(
    x, y, start=(0.11, -0.01), end=(0.17, -0.055), thickness=0.012
  )
  return [
    *_bags(person),
    *_makeup(person),
    (WHITE, seen),
    (skin.SHADE * 0.9, 0.5 * seen * canvas.soft(y + opening, 0.05)),
    *_iris(person, seen=seen),
    (INK, canvas.cover(lid, pixel)),
    (INK, (1 - male) * canvas.cover(lash, pixel)),
  ]


def _iris(person: sitter.Sitter, *, seen: canvas.Plane) -> canvas.Coats:
  x, y = _eye(person)
  pixel = person.head.pixel
  side = jnp.sign(person.head.x - person.turn)
  x = x * side - sitter.between(-0.025, 0.025, person.look.gaze)
  colour = palette.pick(palette.IRIS, person.look.iris)
  disc = jnp.hypot(x, y)
  glint = jnp.hypot(x - 0.022 * person.light, y + 0.022) - 0.017
  return [
    (colour * 0.55, seen * canvas.cover(disc - 0.064, pixel)),
    (colour, seen * canvas.soft(disc - 0.05 - 0.2 * y, 0.012)),
    (INK, seen * canvas.cover(disc - 0.03, pixel)),
    (WHITE, seen * canvas.cover(glint, pixel)),
  ]


def _bags(person: sitter.Sitter) -> canvas.Coats:
  x, y = _eye(person)
  present = person.has['Bags_Under_Eyes']
  bag = shapes.arc(x, y - 0.115, half_width=0.1, rise=-0.045, thickness=0.016)
  fill = shapes.blob(x, y - 0.075, radii=(0.13, 0.07))
  ink = person.skin * 0.5 + 0.5 * BAG * jnp.sqrt(person.skin)
  return [
    (ink, 0.75 * present * fill),
    (ink * 0.8, 0.85 * present * canvas.soft(bag, 0.02)),
  ]


def _makeup(person: sitter.Sitter) -> canvas.Coats:
  x, y = _eye(person)
  present = person.has['Heavy_Makeup']
  colour = palette.pick(palette.SHADOW, person.look.makeup)
  lid = shapes.leaf(
    x - 0.01, y + 0.01 + 0.25 * x, half_width=0.17, top=0.135, bottom=0.03
  )
  wing = shapes.segment(
    x, y, start=(0.1, 0.0), end=(0.205, -0.075), thickness=0.016
  )
  return [
    (colour, 0.85 * present * canvas.soft(lid, 0.025)),
    (INK, present * canvas.cover(wing, person.head.pixel)),
  ]


def brows(person: sitter.Sitter) -> canvas.Coats:
  """Paints both brows, flat or arched, thin or bushy."""
  x, y = _eye(person)
  pixel = person.head.pixel
  arched, bushy = person.has['Arched_Eyebrows'], person.has['Bushy_Eyebrows']
  thickness = 0.017 + 0.026 * bushy + 0.004 * person.has['Male']
  bristle = canvas.waves(x + 0.5 * y, (0.045,), pixel, bend=0 * x)
  shape = shapes.arc(
    x - 0.01 - 0.02 * arched,
    y + 0.155 + 0.075 * arched + 0.03 * bushy - 0.06 * x * (1 - arched),
    half_width=0.13,
    rise=0.015 + 0.085 * arched,
    thickness=thickness * (1 - 1.8 * x) + 0.012 * bushy * bristle,
  )
  colour = palette.mix(
    palette.blend(BROW, person.look.brow),
    palette.HAIR['Gray_Hair'] * 0.9,
    0.6 * (1 - person.has['Young']),
  )
  return [(colour, 0.92 * canvas.cover(shape, pixel))]


def mouth(person: sitter.Sitter) -> canvas.Coats:
  """Paints the lips, and the teeth between them."""
  x, y, pixel = person.head
  smile = person.has['Smiling']
  width = 0.145 + 0.075 * smile
  x = x - 1.1 * person.turn
  # The corners of a smiling mouth rise, those of a serious mouth hang.
  y = y - 0.3 - 0.03 * smile + (0.135 * smile - 0.025) * (x / width) ** 2
  gap = 0.062 * person.has['Mouth_Slightly_Open']
  full = 0.9 + 1.5 * person.has['Big_Lips']
  bow = 1 - 0.35 * jnp.maximum(1 - (x / 0.045) ** 2, 0)
  top, bottom = 0.034 * full * bow + 0.3 * gap, 0.044 * full + gap
  lips = shapes.leaf(x, y, half_width=width, top=top, bottom=bottom)
  under = shapes.leaf(
    x, y - 0.03 * full - gap, half_width=0.7 * width, top=0.02, bottom=0.05
  )
  shine = shapes.blob(x, y - gap - 0.022 * full, radii=(0.06, 0.014 * full))
  inner = shapes.leaf(
    x, y, half_width=0.86 * width, top=0.3 * gap + 0.005, bottom=gap + 0.005
  )
  hole = canvas.cover(inner, pixel)
  teeth = jnp.maximum(inner + 0.008, y - 0.42 * gap)
  opened = jnp.where(gap > 0, 1.0, 0.0)
  return [
    (person.skin * skin.SHADE, 0.5 * canvas.soft(under, 0.02)),
    (_lips(person), canvas.cover(lips, pixel)),
    (WHITE, 0.4 * shine),
    (MOUTH, hole),
    (TEETH, opened * hole * canvas.cover(teeth, pixel)),
  ]


def _lips(person: sitter.Sitter) -> palette.Colour:
  """Returns the colour of the lips: near the skin's, or the lipstick's."""
  natural = palette.mix(
    palette.blend(palette.LIPS, person.look.lips), person.skin * skin.SHADE, 0.6
  )
  lipstick = palette.pick(palette.LIPSTICK, person.look.lips)
  return palette.mix(natural, lipstick, person.has['Wearing_Lipstick'])
