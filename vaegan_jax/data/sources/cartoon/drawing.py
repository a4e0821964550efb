"""Plans and paints faces in blocks of one length.

Planning (random features, attributes, visibility) and painting are compiled
separately, since together they take twice as long to compile. A face does not
depend on its neighbours in a block.
"""

from __future__ import annotations

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Integer, Key, UInt8

from vaegan_jax.data import chunks
from vaegan_jax.data.sources.cartoon import (
  canvas,
  dress,
  features,
  hair,
  palette,
  sitter,
  skin,
  traits,
)

PLANNED, PAINTED = 1024, 16  # faces per block

# From back to front.
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


class Plan(NamedTuple):
  """A face before it is painted; leaves may have a leading axis.

  Attributes:
    look: random features.
    attributes: which of traits.ATTRIBUTES are present.
    visible: which of them the picture shows.
  """

  look: sitter.Look
  attributes: Bool[Array | np.ndarray, '*faces attributes']
  visible: Bool[Array | np.ndarray, '*faces attributes']


def plan(
  key: Key[Array, ''], which: Integer[Array, ''], *, correlated: Bool[Array, '']
) -> Plan:
  """Plans the face of a key with attribute number `which` flipped, or -1."""
  look_key, traits_key = jax.random.split(key)
  shares = jax.random.uniform(look_key, (len(sitter.Look._fields),))
  look = sitter.Look(*shares)
  flags = traits.flip(traits.draw(traits_key, correlated=correlated), which)
  return Plan(look, flags, traits.visible(flags, shades=dress.shaded(look)))


def paint(
  planned: Plan, *, size: tuple[int, int]
) -> UInt8[Array, 'height width 3']:
  """Paints a planned face; hidden attributes are painted as if absent."""
  shown = (planned.attributes & planned.visible).astype(jnp.float32)
  has = dict(zip(traits.ATTRIBUTES, shown, strict=True))
  person = sitter.pose(planned.look, has, size=size)
  picture = _backdrop(planned.look, canvas.grid(size))
  for layer in LAYERS:
    picture = canvas.paint(picture, layer(person))
  picture = jnp.moveaxis(picture, 0, -1)
  return jnp.round(255 * jnp.clip(picture, 0, 1)).astype(jnp.uint8)


def _backdrop(look: sitter.Look, frame: canvas.Frame) -> canvas.Picture:
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


@jax.jit
def _plan_block(
  indices: Integer[Array, ' faces'],
  *,
  seed: Integer[Array, ''],
  which: Integer[Array, ''],
  correlated: Bool[Array, ''],
) -> Plan:
  base = jax.random.key(seed, impl='threefry2x32')
  keys = jax.vmap(lambda index: jax.random.fold_in(base, index))(indices)
  plan_one = functools.partial(plan, correlated=correlated)
  return jax.vmap(plan_one, (0, None))(keys, which)


@functools.partial(jax.jit, static_argnames='size')
def _paint_block(
  planned: Plan, *, size: tuple[int, int]
) -> UInt8[Array, 'faces height width 3']:
  return jax.vmap(functools.partial(paint, size=size))(planned)


def plan_many(
  seed: int,
  indices: Integer[np.ndarray, ' faces'],
  *,
  correlated: bool,
  flip: str | None,
) -> Plan:
  """Plans the faces of some indices, with the named attribute flipped.

  Raises:
    ValueError: there is no such attribute.
  """
  which = np.int32(-1 if flip is None else traits.index(flip))
  plan_block = functools.partial(
    _plan_block,
    seed=np.uint32(seed),
    which=which,
    correlated=np.bool_(correlated),
  )
  return chunks.apply(plan_block, (indices.astype(np.int32),), size=PLANNED)


def paint_many(
  planned: Plan, *, size: tuple[int, int]
) -> UInt8[np.ndarray, 'faces height width 3']:
  """Paints the faces of a plan."""
  paint_block = functools.partial(_paint_block, size=size)
  return chunks.apply(paint_block, (planned,), size=PAINTED)
