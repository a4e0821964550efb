"""Paints the backdrop and the layers of a portrait in order."""

from __future__ import annotations

from collections.abc import Mapping

import jax.numpy as jnp
from jaxtyping import Array, Float

from vaegan_jax.data.sources.cartoon import (
  canvas,
  dress,
  features,
  hair,
  palette,
  sitter,
  skin,
)

LAYERS = (
  hair.behind,
  skin.neck,
  dress.clothes,
  dress.necklace,
  skin.ears,
  skin.face,
  hair.beard,
  skin.nose,
  features.mouth,
  hair.moustache,
  features.eyes,
  hair.sideburns,
  hair.front,
  features.brows,
  dress.hat,
  dress.glasses,
  dress.earrings,
)


def portrait(
  look: sitter.Look,
  has: Mapping[str, Float[Array, '']],
  *,
  size: tuple[int, int],
) -> Float[Array, 'height width 3']:
  """Paints a face, with values from 0 (dark) to 1 (light)."""
  person = sitter.pose(look, has, size=size)
  picture = backdrop(look, canvas.grid(size))
  for layer in LAYERS:
    picture = canvas.paint(picture, layer(person))
  return jnp.moveaxis(picture, 0, -1)


def backdrop(look: sitter.Look, frame: canvas.Frame) -> canvas.Picture:
  """Blends two colours along a gradient with waves, dots, rays or nothing."""
  x, y, pixel = frame
  first = palette.pick(palette.BACKDROP, look.backdrop)
  second = palette.pick(palette.BACKDROP, look.second_backdrop)
  angle = 6.2832 * look.angle
  along = x * jnp.cos(angle) + y * jnp.sin(angle)
  across = y * jnp.cos(angle) - x * jnp.sin(angle)
  period = sitter.between(0.3, 0.55, look.hair)
  weight = canvas.fade(period, pixel)
  u, v = 6.2832 * along / period, 6.2832 * across / period
  bent, dots = jnp.sin(u + 1.5 * jnp.sin(0.4 * v)), jnp.sin(u) * jnp.sin(v)
  patterns = jnp.stack([0 * u, bent, dots, jnp.sin(u)])
  pattern = palette.pick(patterns, look.backdrop_pattern)
  pattern = jnp.clip(3 * pattern, -1, 1) * weight
  gradient = jnp.clip(0.5 + 0.45 * along, 0, 1)
  coat = canvas.paint(canvas.fill(first, 1 + 0 * x), [(second, gradient)])
  glow = jnp.clip(1.05 - 0.13 * (x**2 + y**2) + 0.045 * pattern, 0, 1.2)
  return jnp.clip(coat * glow, 0, 1)
