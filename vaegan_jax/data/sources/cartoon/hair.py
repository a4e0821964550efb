"""Paints hair behind the head, over it and on the jaw."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from vaegan_jax.data.sources.cartoon import canvas, shapes, sitter, skin


def _loose(person: sitter.Sitter) -> Float[Array, '']:
  """Returns 1 for long hair that hangs down: a woman's, straight or wavy."""
  has = person.has
  styled = has['Straight_Hair'] + has['Wavy_Hair']
  return styled * (1 - has['Male']) * (1 - has['Bald'])


def _cropped(person: sitter.Sitter) -> Float[Array, '']:
  """Returns 1 for stubble: a man's hair, neither straight nor wavy."""
  has = person.has
  return (1 - has['Straight_Hair']) * (1 - has['Wavy_Hair']) * has['Male']


def _capped(person: sitter.Sitter) -> Float[Array, '']:
  """Returns 1 if hair covers the crown."""
  return (1 - person.has['Bald']) * (1 - person.has['Wearing_Hat'])


def _outline(person: sitter.Sitter) -> tuple[canvas.Plane, canvas.Plane]:
  """Returns the distances to the hair on the crown and to the hanging hair."""
  x, y, _ = person.head
  has = person.has
  wavy = has['Wavy_Hair']
  phase = 6.28 * person.look.wave
  curl = jnp.sin(15 * x + phase) * jnp.sin(15 * y - phase)
  cropped = _cropped(person)
  radii = (
    0.515 + 0.06 * has['Chubby'] + 0.03 * wavy - 0.035 * cropped,
    0.585 + 0.04 * wavy - 0.075 * cropped,
  )
  crown = shapes.ellipse(x, y + 0.15, radii=radii) + 0.04 * wavy * curl
  length = sitter.between(0.38, 0.95, person.look.hair_length)
  sway = 0.05 * wavy * jnp.sin(11 * y + phase)
  half = (0.555 + 0.05 * has['Chubby'] + 0.05 * wavy, 0.5 * (length + 0.2))
  curtain = shapes.box(
    jnp.abs(x) - sway, y - 0.5 * (length - 0.2), half=half, corner=0.14
  )
  curtain = shapes.join(crown, curtain + 0.02 * wavy * curl, blend=0.12)
  return crown, curtain


def _opening(person: sitter.Sitter) -> canvas.Plane:
  """Returns the distance to the part of the head without hair."""
  x, y, _ = person.head
  has = person.has
  wide = 0.41 + 0.06 * has['Chubby'] - 0.02 * has['Oval_Face']
  part = sitter.between(-0.16, 0.16, person.look.parting)
  lift = 0.5 - 0.14 * has['Bangs']
  sweep = 0.35 * (x - part) * jnp.sign(part) * (1 - has['Bangs'])
  down = y - 0.12 - sweep * jnp.where(y < 0.12, 1.0, 0.0)
  free = shapes.superellipse(
    x, jnp.minimum(down, 0), radii=(wide, lift), power=2.6
  )
  temples = shapes.ellipse(jnp.abs(x) - 0.2, y + 0.38, radii=(0.17, 0.22))
  receding = shapes.join(free, temples, blend=0.05)
  free = jnp.where(has['Receding_Hairline'] > 0, receding, free)
  fringe = 0.02 * jnp.sin(34 * x + 9 * person.look.parting)
  return free + has['Bangs'] * fringe * (0.4 + 0.6 * has['Wavy_Hair'])


def _strands(person: sitter.Sitter) -> canvas.Picture:
  """Colours hair by its strands, its shine and the light."""
  x, y, pixel = person.head
  wavy = person.has['Wavy_Hair']
  bend = 0.6 * wavy * jnp.sin(11 * y + 5 * x + 6.28 * person.look.wave)
  bend = bend + 0.5 * jnp.sin(3 * x + 2 * y + 6.28 * person.look.parting)
  fan = x / (0.55 + 0.5 * jnp.clip(y + 0.8, 0, 0.9))
  texture = canvas.waves(fan, (0.26, 0.13, 0.07, 0.037), pixel, bend=bend)
  shine = canvas.soft(jnp.abs(y + 0.53 - 0.5 * x**2) - 0.03, 0.07)
  light = 1 + 0.12 * person.light * x + 0.11 * texture - 0.1 * jnp.maximum(y, 0)
  coat = canvas.fill(person.hair, light)
  gloss = [(person.hair * 0.7 + 0.3, 0.35 * shine)]
  return jnp.clip(canvas.paint(coat, gloss), 0, 1)


def behind(person: sitter.Sitter) -> canvas.Coats:
  """Paints hair that hangs behind neck and head, or a pair of buns."""
  x, y, pixel = person.head
  has = person.has
  _, curtain = _outline(person)
  buns = (1 - has['Straight_Hair']) * (1 - has['Wavy_Hair'])
  buns = buns * (1 - has['Male']) * _capped(person)
  knot = shapes.ellipse(jnp.abs(x) - 0.42, y + 0.56, radii=(0.2, 0.19))
  swirl = jnp.sin(6.2832 * knot / 0.09 + 3 * x) * canvas.fade(0.09, pixel)
  light = 1 - 0.3 * canvas.soft(-knot - 0.03, 0.05) + 0.1 * swirl
  coat = jnp.clip(canvas.fill(person.hair, light), 0, 1)
  return [
    (person.hair * 0.72, _loose(person) * canvas.cover(curtain, pixel)),
    (coat, buns * canvas.cover(knot, pixel)),
  ]


def front(person: sitter.Sitter) -> canvas.Coats:
  """Paints the hair around the face, and its shadow on the skin."""
  y, pixel = person.head.y, person.head.pixel
  crown, curtain = _outline(person)
  free = _opening(person)
  loose = _loose(person)
  short = jnp.maximum(crown, y - 0.02)
  # Under a hat only the hair below it shows.
  below = jnp.maximum(curtain, -y - 0.3)
  hanging = jnp.where(person.has['Wearing_Hat'] > 0, below, curtain)
  shape = jnp.maximum(jnp.where(loose > 0, hanging, short), -free)
  present = jnp.where(loose > 0, 1.0, _capped(person))
  present = present * (1 - 0.3 * _cropped(person))
  cast = canvas.soft(shape - 0.01, 0.05) * canvas.cover(person.face, pixel)
  rim = 0.6 * canvas.soft(-free - 0.02, 0.05) * canvas.soft(free - 0.06, 0.05)
  coat = canvas.paint(_strands(person), [(person.hair * 0.6, rim)])
  return [
    (person.skin * skin.SHADE * 0.8, 0.5 * present * cast),
    (coat, present * canvas.cover(shape, pixel)),
  ]


def sideburns(person: sitter.Sitter) -> canvas.Coats:
  """Paints hair on the cheeks in front of the ears."""
  x, y, pixel = person.head
  wide = 0.40 + 0.06 * person.has['Chubby'] - 0.02 * person.has['Oval_Face']
  across = jnp.abs(x) - wide - 0.02 + 0.12 * jnp.maximum(y, 0)
  strip = shapes.box(across, y - 0.02, half=(0.075, 0.24), corner=0.04)
  strip = jnp.maximum(strip, person.face - 0.015)
  present = person.has['Sideburns'] * canvas.cover(strip, pixel)
  return [(_whiskers(person), present)]


def _whiskers(person: sitter.Sitter) -> canvas.Picture:
  x, y, pixel = person.head
  bend = 0.3 * jnp.sin(13 * y) + 0.2 * jnp.sin(17 * x)
  texture = canvas.waves(x, (0.12, 0.065, 0.035), pixel, bend=bend)
  return jnp.clip(canvas.fill(person.hair * 0.9, 1 + 0.12 * texture), 0, 1)


def beard(person: sitter.Sitter) -> canvas.Coats:
  """Paints stubble, goatee or full beard, under the mouth."""
  x, y, pixel = person.head
  has = person.has
  x = x - 0.7 * person.turn
  jaw = 0.37 - 1.5 * jnp.minimum(x**2, 0.16) - y
  lip = shapes.leaf(x, y - 0.25, half_width=0.24, top=0.06, bottom=0.15)
  jaw = jnp.minimum(jaw, lip)
  stubble = canvas.soft(jnp.maximum(jaw, person.face), 0.035)
  tint = skin.STUBBLE * (0.35 + 0.65 * person.skin)
  coat = _whiskers(person)
  full = (1 - has['5_o_Clock_Shadow']) * (1 - has['Goatee'])
  full = full * (1 - has['Mustache']) * (1 - has['No_Beard'])
  tuft = jnp.maximum(jaw, person.face - 0.065)
  goatee = shapes.join(
    shapes.ellipse(x, y - 0.48, radii=(0.15, 0.13)),
    shapes.box(x, y - 0.4, half=(0.035, 0.06), corner=0.03),
    blend=0.05,
  )
  return [
    (tint, 0.58 * has['5_o_Clock_Shadow'] * stubble),
    (coat, full * canvas.cover(tuft, pixel)),
    (coat, has['Goatee'] * canvas.cover(goatee, pixel)),
  ]


def moustache(person: sitter.Sitter) -> canvas.Coats:
  """Paints a moustache over the upper lip."""
  x, y, pixel = person.head
  x = jnp.abs(x - 1.1 * person.turn)
  down = y - 0.235 - 0.28 * x + 0.02
  shape = shapes.leaf(x - 0.1, down, half_width=0.135, top=0.05, bottom=0.045)
  present = person.has['Mustache'] * canvas.cover(shape, pixel)
  return [(_whiskers(person), present)]
