"""Signed distances to shapes: negative inside, in the units of x and y.

Distances are exact only near the outline, which suffices for antialiasing. The
y axis points down.
"""

from __future__ import annotations

import jax.numpy as jnp

from vaegan_jax.data.sources.cartoon.canvas import Number, Plane

# Sizes may vary over the plane.
Size = Number | Plane


def ellipse(x: Plane, y: Plane, *, radii: tuple[Size, Size]) -> Plane:
  """Returns the distance to an ellipse about the origin."""
  across, down = x / radii[0], y / radii[1]
  level = jnp.sqrt(across**2 + down**2 + 1e-6)
  slope = jnp.sqrt((across / radii[0]) ** 2 + (down / radii[1]) ** 2 + 1e-6)
  return level * (level - 1) / slope


def superellipse(
  x: Plane, y: Plane, *, radii: tuple[Size, Size], power: Size
) -> Plane:
  """Returns the distance to |x/a|^power + |y/b|^power = 1."""
  across = jnp.abs(x / radii[0]) + 1e-4
  down = jnp.abs(y / radii[1]) + 1e-4
  across_power, down_power = across**power, down**power
  total = across_power + down_power
  level = total ** (1 / power)
  gradient = jnp.hypot(
    across_power / across / radii[0], down_power / down / radii[1]
  )
  slope = gradient * level / total
  return (level - 1) / slope


def box(
  x: Plane, y: Plane, *, half: tuple[Number, Number], corner: Number
) -> Plane:
  """Returns the distance to a box about the origin with rounded corners."""
  across = jnp.abs(x) - half[0] + corner
  down = jnp.abs(y) - half[1] + corner
  outside = jnp.hypot(jnp.maximum(across, 0), jnp.maximum(down, 0))
  return outside + jnp.minimum(jnp.maximum(across, down), 0) - corner


def arc(
  x: Plane, y: Plane, *, half_width: Number, rise: Number, thickness: Size
) -> Plane:
  """Returns the distance to a stroke y = rise (x / half_width)^2.

  A positive rise lifts the middle above the ends, as in a brow; a negative one
  lowers it, as in a smile. The stroke ends at +-half_width; `thickness` is half
  its width.
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
  """Returns the distance to a straight stroke of half width `thickness`."""
  across, down = end[0] - start[0], end[1] - start[1]
  along = (x - start[0]) * across + (y - start[1]) * down
  along = jnp.clip(along / (across**2 + down**2 + 1e-6), 0, 1)
  away = x - start[0] - along * across, y - start[1] - along * down
  return jnp.hypot(*away) - thickness


def leaf(
  x: Plane, y: Plane, *, half_width: Number, top: Size, bottom: Size
) -> Plane:
  """Returns the distance to the region between two parabolas.

  They meet at +-half_width; the middle reaches `top` above the origin and
  `bottom` below it, as in eyes and lips.
  """
  fall = 1 - (x / half_width) ** 2
  return 0.9 * jnp.maximum(-y - top * fall, y - bottom * fall)


def join(a: Plane, b: Plane, *, blend: Number) -> Plane:
  """Unites two shapes and rounds the seam over `blend`."""
  weight = jnp.clip(0.5 + 0.5 * (b - a) / blend, 0, 1)
  return b + (a - b) * weight - blend * weight * (1 - weight)


def blob(x: Plane, y: Plane, *, radii: tuple[Number, Number]) -> Plane:
  """Returns weights of a soft spot: 1 in the middle, 0 from the ellipse on."""
  return jnp.maximum(1 - (x / radii[0]) ** 2 - (y / radii[1]) ** 2, 0) ** 2
