"""Paints hair: behind the head, over it, and on the jaw."""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

from vaegan_jax.data.sources.cartoon import canvas, shapes, sitter, skin

Plane = Float[Array, 'height width']


def _loose(model: sitter.Sitter) -> Float[Array, '']:
  """Says whether long hair hangs down: a woman's, straight or wavy."""
  has = model.has
  return (
    (has['Straight_Hair'] + has['Wavy_Hair'])
    * (1 - has['Male'])
    * (1 - has['Bald'])
  )


def _cropped(model: sitter.Sitter) -> Float[Array, '']:
  """Says whether hair is as short as stubble: a man's, neither of the two."""
  has = model.has
  return (1 - has['Straight_Hair']) * (1 - has['Wavy_Hair']) * has['Male']


def _capped(model: sitter.Sitter) -> Float[Array, '']:
  """Says whether hair covers the crown."""
  return (1 - model.has['Bald']) * (1 - model.has['Wearing_Hat'])


def _outline(model: sitter.Sitter) -> tuple[Plane, Plane]:
  """Measures to the hair on the crown, and to that which hangs beside it."""
  x, y, _ = model.head
  has = model.has
  wavy = has['Wavy_Hair']
  phase = 6.28 * model.look.wave
  curl = jnp.sin(15 * x + phase) * jnp.sin(15 * y - phase)
  cropped = _cropped(model)
  radii = (
    0.515 + 0.06 * has['Chubby'] + 0.03 * wavy - 0.035 * cropped,
    0.585 + 0.04 * wavy - 0.075 * cropped,
  )
  crown = shapes.ellipse(x, y + 0.15, radii=radii) + 0.04 * wavy * curl
  length = sitter.between(0.38, 0.95, model.look.hair_length)
  sway = 0.05 * wavy * jnp.sin(11 * y + phase)
  half = 0.555 + 0.05 * has['Chubby'] + 0.05 * wavy
  curtain = shapes.box(
    jnp.abs(x) - sway,
    y - 0.5 * (length - 0.2),
    half=(half, 0.5 * (length + 0.2)),
    corner=0.14,
  )
  curtain = shapes.join(crown, curtain + 0.02 * wavy * curl, blend=0.12)
  return crown, curtain


def _opening(model: sitter.Sitter) -> Plane:
  """Measures to the part of the head that hair leaves free."""
  x, y, _ = model.head
  has = model.has
  wide = 0.41 + 0.06 * has['Chubby'] - 0.02 * has['Oval_Face']
  part = sitter.between(-0.16, 0.16, model.look.parting)
  lift = 0.5 - 0.14 * has['Bangs']
  sweep = 0.35 * (x - part) * jnp.sign(part) * (1 - has['Bangs'])
  down = y - 0.12 - sweep * jnp.where(y < 0.12, 1.0, 0.0)
  free = shapes.superellipse(
    x, jnp.minimum(down, 0), radii=(wide, lift), power=2.6
  )
  temples = shapes.ellipse(jnp.abs(x) - 0.2, y + 0.38, radii=(0.17, 0.22))
  free = jnp.where(
    has['Receding_Hairline'] > 0, shapes.join(free, temples, blend=0.05), free
  )
  fringe = 0.02 * jnp.sin(34 * x + 9 * model.look.parting)
  return free + has['Bangs'] * fringe * (0.4 + 0.6 * has['Wavy_Hair'])


def _strands(model: sitter.Sitter) -> canvas.Picture:
  """Colours hair by its strands, its shine and the light."""
  x, y, pixel = model.head
  has = model.has
  wavy = has['Wavy_Hair']
  bend = 0.6 * wavy * jnp.sin(11 * y + 5 * x + 6.28 * model.look.wave)
  bend = bend + 0.5 * jnp.sin(3 * x + 2 * y + 6.28 * model.look.parting)
  fan = x / (0.55 + 0.5 * jnp.clip(y + 0.8, 0, 0.9))
  texture = canvas.waves(fan, (0.26, 0.13, 0.07, 0.037), pixel, bend=bend)
  shine = canvas.soft(jnp.abs(y + 0.53 - 0.5 * x**2) - 0.03, 0.07)
  light = 1 + 0.12 * model.light * x + 0.11 * texture - 0.1 * jnp.maximum(y, 0)
  coat = canvas.fill(model.hair, light)
  return jnp.clip(canvas.over(coat, model.hair * 0.7 + 0.3, 0.35 * shine), 0, 1)


def behind(picture: canvas.Picture, model: sitter.Sitter) -> canvas.Picture:
  """Paints what hangs behind neck and head, and a pair of buns."""
  x, y, pixel = model.head
  _, curtain = _outline(model)
  loose = _loose(model)
  shadow = model.hair * 0.72
  picture = canvas.over(picture, shadow, loose * canvas.cover(curtain, pixel))
  has = model.has
  buns = (1 - has['Straight_Hair']) * (1 - has['Wavy_Hair'])
  buns = buns * (1 - has['Male']) * _capped(model)
  knot = shapes.ellipse(jnp.abs(x) - 0.42, y + 0.56, radii=(0.2, 0.19))
  swirl = jnp.sin(6.2832 * knot / 0.09 + 3 * x) * canvas.fade(0.09, pixel)
  light = 1 - 0.3 * canvas.soft(-knot - 0.03, 0.05) + 0.1 * swirl
  coat = jnp.clip(canvas.fill(model.hair, light), 0, 1)
  return canvas.over(picture, coat, buns * canvas.cover(knot, pixel))


def front(picture: canvas.Picture, model: sitter.Sitter) -> canvas.Picture:
  """Paints the hair around the face, and its shadow on the skin."""
  y, pixel = model.head.y, model.head.pixel
  crown, curtain = _outline(model)
  free = _opening(model)
  loose, capped = _loose(model), _capped(model)
  short = jnp.maximum(crown, y - 0.02)
  # Under a hat only what hangs below it is left.
  hanging = jnp.where(
    model.has['Wearing_Hat'] > 0, jnp.maximum(curtain, -y - 0.3), curtain
  )
  outline = jnp.where(loose > 0, hanging, short)
  shape = jnp.maximum(outline, -free)
  there = jnp.where(loose > 0, 1.0, capped) * (1 - 0.3 * _cropped(model))
  cast = canvas.soft(shape - 0.01, 0.05) * canvas.cover(model.face, pixel)
  picture = canvas.over(
    picture, model.skin * skin.SHADE * 0.8, 0.5 * there * cast
  )
  coat = canvas.over(
    _strands(model),
    model.hair * 0.6,
    0.6 * canvas.soft(-free - 0.02, 0.05) * canvas.soft(free - 0.06, 0.05),
  )
  return canvas.over(picture, coat, there * canvas.cover(shape, pixel))


def sideburns(picture: canvas.Picture, model: sitter.Sitter) -> canvas.Picture:
  """Paints hair down the cheeks before the ears."""
  x, y, pixel = model.head
  wide = 0.40 + 0.06 * model.has['Chubby'] - 0.02 * model.has['Oval_Face']
  strip = shapes.box(
    jnp.abs(x) - wide - 0.02 + 0.12 * jnp.maximum(y, 0),
    y - 0.02,
    half=(0.075, 0.24),
    corner=0.04,
  )
  strip = jnp.maximum(strip, model.face - 0.015)
  there = model.has['Sideburns'] * canvas.cover(strip, pixel)
  return canvas.over(picture, _whiskers(model), there)


def _whiskers(model: sitter.Sitter) -> canvas.Picture:
  x, y, pixel = model.head
  bend = 0.3 * jnp.sin(13 * y) + 0.2 * jnp.sin(17 * x)
  texture = canvas.waves(x, (0.12, 0.065, 0.035), pixel, bend=bend)
  return jnp.clip(canvas.fill(model.hair * 0.9, 1 + 0.12 * texture), 0, 1)


def beard(picture: canvas.Picture, model: sitter.Sitter) -> canvas.Picture:
  """Paints stubble, goatee or full beard; the mouth comes on top."""
  x, y, pixel = model.head
  has = model.has
  x = x - 0.7 * model.turn
  jaw = 0.37 - 1.5 * jnp.minimum(x**2, 0.16) - y
  lip = shapes.leaf(x, y - 0.25, half_width=0.24, top=0.06, bottom=0.15)
  jaw = jnp.minimum(jaw, lip)
  stubble = canvas.soft(jnp.maximum(jaw, model.face), 0.035)
  tint = skin.STUBBLE * (0.35 + 0.65 * model.skin)
  picture = canvas.over(picture, tint, 0.58 * has['5_o_Clock_Shadow'] * stubble)
  coat = _whiskers(model)
  full = (1 - has['5_o_Clock_Shadow']) * (1 - has['Goatee'])
  full = full * (1 - has['Mustache']) * (1 - has['No_Beard'])
  tuft = jnp.maximum(jaw, model.face - 0.065)
  picture = canvas.over(picture, coat, full * canvas.cover(tuft, pixel))
  goatee = shapes.join(
    shapes.ellipse(x, y - 0.48, radii=(0.15, 0.13)),
    shapes.box(x, y - 0.4, half=(0.035, 0.06), corner=0.03),
    blend=0.05,
  )
  return canvas.over(picture, coat, has['Goatee'] * canvas.cover(goatee, pixel))


def moustache(picture: canvas.Picture, model: sitter.Sitter) -> canvas.Picture:
  """Paints a moustache over the upper lip."""
  x, y, pixel = model.head
  x = jnp.abs(x - 1.1 * model.turn)
  shape = shapes.leaf(
    x - 0.1,
    y - 0.235 - 0.28 * x + 0.02,
    half_width=0.135,
    top=0.05,
    bottom=0.045,
  )
  there = model.has['Mustache'] * canvas.cover(shape, pixel)
  return canvas.over(picture, _whiskers(model), there)
