"""Plans and paints faces in blocks of one length.

Planning (random features, attributes, visibility) and painting are compiled
separately, since together they take twice as long to compile. All blocks have
one length, so each function is compiled once, and a face does not depend on its
neighbours.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Integer, Key, UInt8

from vaegan_jax.data.sources.cartoon import dress, scene, sitter, traits

PLANNED, PAINTED = 1024, 16  # faces per block


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
  look = sitter.draw_look(look_key)
  flags = traits.flip(traits.draw(traits_key, correlated=correlated), which)
  return Plan(look, flags, traits.visible(flags, shades=dress.shaded(look)))


def paint(
  planned: Plan, *, size: tuple[int, int]
) -> UInt8[Array, 'height width 3']:
  """Paints a planned face; hidden attributes are painted as if absent."""
  shown = (planned.attributes & planned.visible).astype(jnp.float32)
  has = dict(zip(traits.ATTRIBUTES, shown, strict=True))
  picture = scene.portrait(planned.look, has, size=size)
  return jnp.round(255 * jnp.clip(picture, 0, 1)).astype(jnp.uint8)


@jax.jit
def _plan_block(
  seed: Integer[Array, ''],
  indices: Integer[Array, ' faces'],
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


def _blocks(values: Any, *, length: int) -> Iterator[tuple[int, Any]]:
  """Splits rows of arrays into blocks; repetitions pad the last one.

  Yields:
    the number of rows without padding, and the block. If there are no rows, one
    block of padding defines the shapes and types.
  """
  rows = len(jax.tree.leaves(values)[0])
  for start in range(0, max(rows, 1), length):
    places = np.arange(start, start + length)
    block = jax.tree.map(lambda leaf, p=places: _take(leaf, p), values)
    yield min(length, rows - start), block


def _take(leaf: np.ndarray, places: np.ndarray) -> np.ndarray:
  if not len(leaf):
    return np.zeros((len(places), *leaf.shape[1:]), leaf.dtype)
  return leaf[np.minimum(places, len(leaf) - 1)]


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
  planned = []
  for count, block in _blocks(indices.astype(np.int32), length=PLANNED):
    whole = _plan_block(np.uint32(seed), block, which, np.bool_(correlated))
    planned.append(
      jax.tree.map(lambda leaf, n=count: np.asarray(leaf)[:n], whole)
    )
  return jax.tree.map(lambda *leaves: np.concatenate(leaves), *planned)


def paint_many(
  planned: Plan, *, size: tuple[int, int]
) -> UInt8[np.ndarray, 'faces height width 3']:
  """Paints the faces of a plan."""
  painted = [
    np.asarray(_paint_block(block, size=size))[:count]
    for count, block in _blocks(planned, length=PAINTED)
  ]
  return np.concatenate(painted)
