"""Signed distances to shapes: negative inside, in the units of x and y.

Distances are exact near the outline only, which is all that antialiasing needs.
The y axis points down.
"""

from __future__ import annotations

import jax.numpy as jnp
from jaxtyping import Array, Float

Plane = Float[Array, 'height width']
Number = Float[Array, ''] | float


def ellipse(
  x: Plane, y: Plane, *, radii: tuple[Number | Plane, Number | Plane]
) -> Plane:
  """Measures to an ellipse about the origin."""
  across, down = x / radii[0], y / radii[1]
  level = jnp.sqrt(across**2 + down**2 + 1e-6)
  slope = jnp.sqrt((across / radii[0]) ** 2 + (down / radii[1]) ** 2 + 1e-6)
  return level * (level - 1) / slope


def superellipse(
  x: Plane,
  y: Plane,
  *,
  radii: tuple[Number | Plane, Number | Plane],
  power: Number | Plane,
) -> Plane:
  """Measures to |x/a|^power + |y/b|^power = 1: squarer with power."""
  across = jnp.abs(x / radii[0]) + 1e-4
  down = jnp.abs(y / radii[1]) + 1e-4
  across_power, down_power = across**power, down**power
  total = across_power + down_power
  level = total ** (1 / power)
  slope = (
    jnp.hypot(across_power / across / radii[0], down_power / down / radii[1])
    * level
    / total
  )
  return (level - 1) / slope


def box(
  x: Plane, y: Plane, *, half: tuple[Number, Number], corner: Number
) -> Plane:
  """Measures to a box about the origin with rounded corners."""
  across = jnp.abs(x) - half[0] + corner
  down = jnp.abs(y) - half[1] + corner
  outside = jnp.hypot(jnp.maximum(across, 0), jnp.maximum(down, 0))
  return outside + jnp.minimum(jnp.maximum(across, down), 0) - corner


def arc(
  x: Plane,
  y: Plane,
  *,
  half_width: Number,
  rise: Number,
  thickness: Number | Plane,
) -> Plane:
  """Measures to a stroke along y = rise (x / half_width)^2, |x| < half_width.

  A positive rise lifts the middle above the ends: a brow; a negative one hangs:
  a smile, a necklace. `thickness` is half the width of the stroke.
  """
  end = jnp.clip(x, -half_width, half_width)
  slope = 2 * rise * end / half_width**2
  away = (y - rise * (end / half_width) ** 2) / jnp.sqrt(1 + slope**2)
  return jnp.hypot(x - end, away) - thickness


def segment(
  x: Plane,
  y: Plane,
  *,
  start: tuple[Number, Number],
  end: tuple[Number, Number],
  thickness: Number,
) -> Plane:
  """Measures to a straight stroke; `thickness` is half its width."""
  across, down = end[0] - start[0], end[1] - start[1]
  along = (x - start[0]) * across + (y - start[1]) * down
  along = jnp.clip(along / (across**2 + down**2 + 1e-6), 0, 1)
  return (
    jnp.hypot(x - start[0] - along * across, y - start[1] - along * down)
    - thickness
  )


def leaf(
  x: Plane,
  y: Plane,
  *,
  half_width: Number,
  top: Number | Plane,
  bottom: Number | Plane,
) -> Plane:
  """Measures to the region between two parabolas that meet at +-half_width.

  The middle reaches `top` above the origin and `bottom` below it: eyes, lips.
  """
  fall = 1 - (x / half_width) ** 2
  return 0.9 * jnp.maximum(-y - top * fall, y - bottom * fall)


def join(a: Plane, b: Plane, *, blend: Number) -> Plane:
  """Unites two shapes, rounding the seam over `blend`."""
  weight = jnp.clip(0.5 + 0.5 * (b - a) / blend, 0, 1)
  return b + (a - b) * weight - blend * weight * (1 - weight)


def blob(
  x: Plane, y: Plane, *, radii: tuple[Number, Number]
) -> Float[Array, 'height width']:
  """Weighs a soft spot: 1 in the middle, smoothly 0 at the ellipse."""
  return jnp.maximum(1 - (x / radii[0]) ** 2 - (y / radii[1]) ** 2, 0) ** 2
