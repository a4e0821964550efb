"""The face to paint: its random features and its attributes."""

from __future__ import annotations

import collections
from collections.abc import Mapping
from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from vaegan_jax.data.sources.cartoon import canvas, palette, shapes

Unit = Float[Array, '']


# The random features of a face, each uniform in [0, 1).
Look = collections.namedtuple(
  'Look',
  'across down scale tilt turn light gaze '
  'skin freckles hair hair_length parting wave iris brow lips makeup '
  'spectacles lenses hat hat_colour cloth cloth_pattern collar tie gem '
  'backdrop second_backdrop backdrop_pattern angle grain',
)


class Sitter(NamedTuple):
  """One face before it is painted.

  Attributes:
    look: its random features.
    has: 1 for an attribute to paint, else 0, by CelebA's name.
    head: the frame of the tilted head. The face extends 0.46 to either side
      and from -0.65 (crown) to 0.5 (chin); the eyes are at -0.06.
    body: the frame of neck and shoulders, upright.
    turn: horizontal shift of the features as the head turns.
    light: from -1 (light from the left) to 1 (from the right).
    skin: colour of the skin.
    hair: colour of the hair.
    face: distance to the outline of the face.
  """

  look: Look
  has: Mapping[str, Unit]
  head: canvas.Frame
  body: canvas.Frame
  turn: Unit
  light: Unit
  skin: palette.Colour
  hair: palette.Colour
  face: canvas.Plane


def between(low: float, high: float, share: Unit) -> Unit:
  """Interpolates from low (share 0) to high (share 1)."""
  return low + (high - low) * share


def pose(
  look: Look, has: Mapping[str, Unit], *, size: tuple[int, int]
) -> Sitter:
  """Computes the frames, colours and outline that the layers share."""
  shift = between(-0.07, 0.07, look.across), between(-0.09, 0.0, look.down)
  scale = between(1.12, 1.27, look.scale)
  plain = canvas.grid(size)
  tilt = between(-0.16, 0.16, look.tilt)
  head = canvas.place(plain, shift=shift, scale=scale, tilt=tilt)
  collar = shift[0], shift[1] - 0.07
  body = canvas.place(plain, shift=collar, scale=scale, tilt=0.3 * tilt)
  return Sitter(
    look=look,
    has=has,
    head=head,
    body=body,
    turn=between(-0.05, 0.05, look.turn),
    light=between(-1.0, 1.0, look.light),
    skin=palette.mix(
      palette.blend(palette.SKIN, look.skin),
      palette.blend(palette.PALE, look.skin),
      has['Pale_Skin'],
    ),
    hair=_hair(look, has),
    face=_face(head, has),
  )


def _hair(look: Look, has: Mapping[str, Unit]) -> palette.Colour:
  colour: palette.Colour = palette.GINGER
  for name, other in palette.HAIR.items():
    colour = palette.mix(colour, other, has[name])
  return colour * between(0.85, 1.08, look.hair)


def _face(head: canvas.Frame, has: Mapping[str, Unit]) -> canvas.Plane:
  male, chubby, oval = has['Male'], has['Chubby'], has['Oval_Face']
  width = 0.455 + 0.02 * male + 0.08 * chubby - 0.045 * oval
  chin = 0.57 + 0.02 * male + 0.1 * oval
  jaw = 2.1 + 0.6 * male + 0.4 * chubby - 0.35 * oval
  below = head.y > -0.1
  radii = width, jnp.where(below, chin, 0.55)
  power = jnp.where(below, jaw, 2.2)
  return shapes.superellipse(head.x, head.y + 0.1, radii=radii, power=power)
