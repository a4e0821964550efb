"""Paints clothes, tie, jewels, glasses and hats."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from vaegan_jax.data.sources.cartoon import canvas, palette, shapes, sitter

WHITE = palette.rgb('f7f5f0')[0]
DARK = palette.rgb('14161c')[0]


def clothes(person: sitter.Sitter) -> canvas.Coats:
  """Paints shoulders in cloth, open at the neck, and the tie."""
  x, y, pixel = person.body
  male = person.has['Male']
  shoulders = shapes.superellipse(
    x, y - 1.35, radii=(0.84 + 0.14 * male, 0.66), power=2.5
  )
  depth = sitter.between(0.14, 0.26, person.look.collar)
  neckline = shapes.ellipse(x, y - 0.62, radii=(0.24 + 0.05 * male, depth))
  shape = jnp.maximum(shoulders, -neckline)
  seam = 0.3 * canvas.soft(jnp.abs(neckline), 0.03)
  coat = canvas.paint(_woven(person), [(DARK, seam)])
  return [(coat, canvas.cover(shape, pixel)), *_necktie(person)]


def _woven(person: sitter.Sitter) -> canvas.Picture:
  """Colours cloth with random stripes, checks or rings, or plain."""
  x, y, pixel = person.body
  look = person.look
  period = sitter.between(0.14, 0.26, look.collar)
  weight = canvas.fade(period, pixel)
  u, v = 6.2832 * x / period, 6.2832 * y / period
  patterns = jnp.stack(
    [jnp.sin(v), jnp.sin(u), jnp.sin(u) * jnp.sin(v), 0 * u, jnp.sin(u + v)]
  )
  pattern = palette.pick(patterns, look.cloth_pattern)
  pattern = jnp.clip(2 * pattern, -1, 1) * weight
  colour = palette.pick(palette.CLOTH, look.cloth)
  light = 1 + 0.1 * person.light * x + 0.14 * pattern
  return jnp.clip(canvas.fill(colour, light), 0, 1)


def _necktie(person: sitter.Sitter) -> canvas.Coats:
  x, y, pixel = person.body
  worn = person.has['Wearing_Necktie']
  x = jnp.abs(x)
  shirt = jnp.maximum(x - 0.33 + 0.35 * (y - 0.66), 0.66 - y + 0.35 * x)
  shirt = jnp.maximum(shirt, 0.75 * (0.6 - y) + 0.1)
  collar = shapes.segment(
    x, y, start=(0.06, 0.82), end=(0.3, 0.66), thickness=0.02
  )
  knot = shapes.box(x, y - 0.79, half=(0.085, 0.06), corner=0.03)
  blade = jnp.maximum(x - 0.02 - 0.32 * (y - 0.68), 0.8 - y)
  tie = jnp.minimum(knot, blade)
  period = 0.12
  stripe = jnp.sin(6.2832 * (person.body.x + y) / period)
  light = 1 + 0.2 * stripe * canvas.fade(period, pixel)
  colour = palette.pick(palette.TIE, person.look.tie)
  return [
    (WHITE, worn * canvas.cover(shirt, pixel)),
    (WHITE * 0.8, worn * canvas.cover(collar, pixel)),
    (DARK, 0.25 * worn * canvas.soft(tie - 0.01, 0.02)),
    (canvas.fill(colour, light), worn * canvas.cover(tie, pixel)),
  ]


def necklace(person: sitter.Sitter) -> canvas.Coats:
  """Paints a string of beads around the neck."""
  x, y, pixel = person.body
  worn = person.has['Wearing_Necklace']
  period = 0.075
  bead = 0.012 * jnp.cos(6.2832 * x / period) * canvas.fade(period, pixel)
  string = shapes.arc(
    x, y - 0.76, half_width=0.23, rise=-0.2, thickness=0.03 + bead
  )
  colour = palette.pick(palette.GEM, person.look.gem)
  return [
    (DARK, 0.4 * worn * canvas.soft(string - 0.01, 0.025)),
    (colour, worn * canvas.cover(string, pixel)),
  ]


def earrings(person: sitter.Sitter) -> canvas.Coats:
  """Paints a drop under each ear."""
  x, y, pixel = person.head
  worn = person.has['Wearing_Earrings']
  wide = 0.5 + 0.07 * person.has['Chubby'] - 0.03 * person.has['Oval_Face']
  x = jnp.abs(x + 0.4 * person.turn) - wide
  drop = jnp.minimum(
    shapes.ellipse(x, y - 0.24, radii=(0.052, 0.075)),
    shapes.ellipse(x, y - 0.14, radii=(0.025, 0.03)),
  )
  colour = palette.pick(palette.GEM, person.look.gem)
  glint = shapes.blob(x + 0.015, y - 0.22, radii=(0.02, 0.03))
  return [
    (DARK, 0.45 * worn * canvas.soft(drop - 0.012, 0.02)),
    (colour, worn * canvas.cover(drop, pixel)),
    (WHITE, 0.8 * worn * glint),
  ]


def glasses(person: sitter.Sitter) -> canvas.Coats:
  """Paints glasses, clear or dark, round or square."""
  head, pixel = person.head, person.head.pixel
  worn = person.has['Eyeglasses']
  dark = jnp.where(shaded(person.look), 1.0, 0.0)
  x, y = jnp.abs(head.x - person.turn), head.y + 0.045
  power = sitter.between(2.0, 4.5, person.look.lenses)
  lens = shapes.superellipse(x - 0.21, y, radii=(0.165, 0.135), power=power)
  bridge = shapes.arc(x, y + 0.03, half_width=0.06, rise=0.02, thickness=0.014)
  temple = shapes.segment(
    x, y, start=(0.37, -0.03), end=(0.47, -0.05), thickness=0.014
  )
  wire = jnp.minimum(jnp.minimum(jnp.abs(lens) - 0.019, bridge), temple)
  glass = worn * canvas.cover(lens, pixel)
  streak = head.x + 0.9 * y
  glint = canvas.soft(jnp.abs(jnp.mod(streak + 0.1, 0.42) - 0.2) - 0.02, 0.025)
  colour = palette.pick(palette.FRAME, person.look.spectacles)
  return [
    (DARK, glass * 0.97 * dark),
    (WHITE, glass * 0.1),
    (WHITE, glass * glint * 0.3),
    (colour, worn * canvas.cover(wire, pixel)),
  ]


def shaded(look: sitter.Look) -> Bool[Array, '']:
  """Returns whether glasses, if worn, are dark: one pair in four."""
  return look.lenses * 7 % 1 < 0.25


def hat(person: sitter.Sitter) -> canvas.Coats:
  """Paints a woollen hat, a brimmed one or a cap."""
  x, y, pixel = person.head
  worn = person.has['Wearing_Hat']
  kind = jnp.floor(person.look.hat * 3)
  colour = palette.pick(palette.HAT, person.look.hat_colour)
  top, edge = _hat_shapes(person, kind=kind)
  ribs = jnp.sin(6.2832 * x / 0.13) * canvas.fade(0.13, pixel)
  ribs = ribs * jnp.where(kind == 0, 0.1, 0.03)
  light = 1 + 0.15 * person.light * x + ribs
  coat = jnp.clip(canvas.fill(colour, light - 0.25 * (y + 0.6)), 0, 1)
  ribbon = canvas.cover(jnp.maximum(top, -y - 0.54), pixel)
  coat = canvas.paint(coat, [(WHITE, jnp.where(kind == 1, 0.85, 0.0) * ribbon)])
  face = canvas.cover(person.face, pixel)
  shadow = canvas.soft(jnp.maximum(top, person.face) - 0.02, 0.07) * face
  rim = 0.7 * canvas.soft(jnp.abs(edge), 0.02)
  band = canvas.paint(canvas.fill(colour * 0.82, light), [(colour * 0.55, rim)])
  return [
    (person.skin * 0.55, 0.45 * worn * shadow),
    (coat, worn * canvas.cover(top, pixel)),
    (band, worn * canvas.cover(edge, pixel)),
  ]


def _hat_shapes(
  person: sitter.Sitter, *, kind: Float[Array, '']
) -> tuple[canvas.Plane, canvas.Plane]:
  """Returns the distances to the hat's top and to its band, brim or visor."""
  x, y, _ = person.head
  wide = 0.06 * person.has['Chubby']
  dome = shapes.superellipse(x, y + 0.33, radii=(0.535 + wide, 0.5), power=2.4)
  dome = jnp.maximum(dome, y + 0.33)
  crown = shapes.superellipse(x, y + 0.36, radii=(0.45 + wide, 0.5), power=3.5)
  crown = jnp.maximum(crown, y + 0.37)
  band = shapes.box(x, y + 0.375, half=(0.545 + wide, 0.075), corner=0.06)
  brim = shapes.ellipse(x, y + 0.39 - 0.12 * x**2, radii=(0.8 + wide, 0.1))
  visor = shapes.ellipse(
    x - 2 * person.turn, y + 0.36 - 0.12 * x**2, radii=(0.48 + wide, 0.1)
  )
  edge = jnp.where(kind == 0, band, jnp.where(kind == 1, brim, visor))
  return jnp.where(kind == 1, crown, dome), edge
