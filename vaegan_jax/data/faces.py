"""Cartoon faces, drawn on demand: the data set that comes with the project.

A face is a pure function of (seed, index): chance decides pose, light, colours
and cloth, the attributes decide the rest. Any attribute can be flipped on the
same face, and a mask says which attributes can be seen. The bytes are the same
however the indices are grouped; another kind of processor may round a value to
the next byte.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Iterable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Int, Integer, Key, UInt8

from vaegan_jax.data.cartoon import dress, scene, sitter, traits

ATTRIBUTES: tuple[str, ...] = traits.ATTRIBUTES
# Raise it whenever a face, its attributes or their visibility change: caches
# made before are then made anew.
DRAWING_VERSION = 1
SPLITS = ('train', 'validation', 'test')
SPLIT_ROOM = 10_000_000  # indices set aside for each split
CHUNK = 16  # faces drawn at once; a lone face costs as much


class Face(NamedTuple):
  """One face, or several along a leading axis.

  Attributes:
    pixels: the picture.
    attributes: which of ATTRIBUTES hold.
    visible: which of ATTRIBUTES the picture shows; flipping another one leaves
      every pixel as it is.
  """

  pixels: UInt8[Array | np.ndarray, '*faces height width 3']
  attributes: Bool[Array | np.ndarray, '*faces attributes']
  visible: Bool[Array | np.ndarray, '*faces attributes']


def make(
  key: Key[Array, ''],
  which: Integer[Array, ''],
  *,
  size: tuple[int, int],
  correlated: Bool[Array, ''],
) -> Face:
  """Draws the face of a key with attribute number `which` flipped, or -1.

  Pure, for jit and vmap; `draw` and `Faces` are easier to call.
  """
  look, flags, visible = _sit(key, which, correlated=correlated)
  has = dict(
    zip(ATTRIBUTES, (flags & visible).astype(jnp.float32), strict=True)
  )
  picture = scene.portrait(look, has, size=size)
  pixels = jnp.round(255 * jnp.clip(picture, 0, 1)).astype(jnp.uint8)
  return Face(pixels, flags, visible)


def _sit(
  key: Key[Array, ''], which: Integer[Array, ''], *, correlated: Bool[Array, '']
) -> tuple[sitter.Look, traits.Flags, traits.Flags]:
  """Decides all about a face short of painting it."""
  look_key, traits_key = jax.random.split(key)
  look = sitter.draw_look(look_key)
  flags = traits.flip(traits.draw(traits_key, correlated=correlated), which)
  return look, flags, traits.visible(flags, shades=dress.shaded(look))


def _key(seed: Integer[Array, ''], index: Integer[Array, '']) -> Key[Array, '']:
  return jax.random.fold_in(jax.random.key(seed, impl='threefry2x32'), index)


@functools.partial(jax.jit, static_argnames='size')
def _chunk(
  seed: Integer[Array, ''],
  indices: Integer[Array, ' faces'],
  which: Integer[Array, ''],
  *,
  size: tuple[int, int],
  correlated: Bool[Array, ''],
) -> Face:
  return jax.vmap(
    lambda index: make(
      _key(seed, index), which, size=size, correlated=correlated
    )
  )(indices)


@jax.jit
def _flags(
  seed: Integer[Array, ''],
  indices: Integer[Array, ' faces'],
  *,
  correlated: Bool[Array, ''],
) -> tuple[Bool[Array, 'faces attributes'], Bool[Array, 'faces attributes']]:
  """Gives attributes and visibility without painting."""

  def one(index: Integer[Array, '']) -> tuple[traits.Flags, traits.Flags]:
    _, flags, visible = _sit(
      _key(seed, index), jnp.int32(-1), correlated=correlated
    )
    return flags, visible

  return jax.vmap(one)(indices)


def draw_many(
  seed: int,
  indices: Iterable[int | np.integer],
  *,
  size: tuple[int, int],
  correlated: bool = False,
  flip: str | None = None,
) -> Face:
  """Draws the faces of several indices, as `draw` does one."""
  _check_size(size)
  wanted = np.asarray(list(indices), np.int32)
  which = np.int32(-1 if flip is None else traits.index(flip))
  drawn = []
  for start in range(0, max(len(wanted), 1), CHUNK):
    part = wanted[start : start + CHUNK]
    padded = np.zeros(CHUNK, np.int32)
    padded[: len(part)] = part
    chunk = _chunk(
      np.uint32(seed),
      padded,
      which,
      size=size,
      correlated=np.bool_(correlated),
    )
    drawn.append([np.asarray(field)[: len(part)] for field in chunk])
  return Face(*(np.concatenate(fields) for fields in zip(*drawn, strict=True)))


def draw(
  seed: int,
  index: int,
  *,
  size: tuple[int, int],
  correlated: bool = False,
  flip: str | None = None,
) -> Face:
  """Draws one face.

  Args:
    seed: of the data set, from 0 to 2^32 - 1.
    index: of the face in it.
    size: height and width, at least 16 pixels each.
    correlated: whether attributes keep company as in CelebA (beards only on
      men), or each is drawn by itself.
    flip: the name of an attribute to negate on the otherwise same face.

  Raises:
    ValueError: no such attribute, or too small a size.
  """
  face = draw_many(seed, [index], size=size, correlated=correlated, flip=flip)
  return Face(*(field[0] for field in face))


def _check_size(size: tuple[int, int]) -> None:
  if min(size) < 16:
    raise ValueError(
      f'a cartoon face of {size[0]}x{size[1]} pixels is too small: give a '
      'height and a width of at least 16'
    )


@dataclasses.dataclass(frozen=True)
class Faces:
  """The source of cartoon faces: see `cache.Source`.

  Splits never share a face: split number i owns the indices from
  i * SPLIT_ROOM, and no split may be longer than that.

  Attributes:
    size: height and width of a picture in pixels.
    seed: of the data set, from 0 to 2^32 - 1.
    correlated: whether attributes keep company as in CelebA.
    train: number of faces to train on; the other splits likewise.

  Raises:
    ValueError: a size, seed or length that cannot be had.
  """

  size: tuple[int, int]
  seed: int = 0
  correlated: bool = True
  train: int = 20_000
  validation: int = 1_000
  test: int = 2_000
  name: str = dataclasses.field(default='faces', init=False)
  channels: int = dataclasses.field(default=3, init=False)
  attribute_names: tuple[str, ...] = dataclasses.field(
    default=ATTRIBUTES, init=False, repr=False
  )

  def __post_init__(self) -> None:
    _check_size(self.size)
    if not 0 <= self.seed < 2**32:
      raise ValueError(
        f'seed {self.seed} is not within 0 and 2^32 - 1: give one that is'
      )
    for split in SPLITS:
      if not 0 <= self.length(split) <= SPLIT_ROOM:
        raise ValueError(
          f'{split} = {self.length(split)} faces: give from 0 to {SPLIT_ROOM}'
        )

  def fingerprint(self) -> dict[str, Any]:
    """Says what decides the bytes."""
    return {
      'name': self.name,
      'drawing_version': DRAWING_VERSION,
      'size': list(self.size),
      'seed': self.seed,
      'correlated': self.correlated,
      **{split: self.length(split) for split in SPLITS},
    }

  def length(self, split: str) -> int:
    """Counts the faces of a split.

    Raises:
      ValueError: no such split.
    """
    if split not in SPLITS:
      raise ValueError(f'no split {split!r}: expected one of {SPLITS}')
    return int(getattr(self, split))

  def attributes(self, split: str) -> Bool[np.ndarray, 'images attributes']:
    """Gives the attributes of every face of a split."""
    return self._flags(split, range(self.length(split)))[0]

  def read(
    self, split: str, start: int, stop: int
  ) -> UInt8[np.ndarray, 'images height width channels']:
    """Draws faces start..stop-1 of a split."""
    return np.asarray(self._draw(split, range(start, stop)).pixels)

  def visible(
    self, split: str, start: int, stop: int
  ) -> Bool[np.ndarray, 'images attributes']:
    """Says which attributes the pictures start..stop-1 show."""
    return self._flags(split, range(start, stop))[1]

  def counterfactual(
    self, split: str, indices: Iterable[int | np.integer], attribute: str
  ) -> Face:
    """Draws faces of a split again with one attribute flipped."""
    return self._draw(split, indices, flip=attribute)

  def _indices(
    self, split: str, indices: Iterable[int | np.integer]
  ) -> Int[np.ndarray, ' faces']:
    """Turns places in a split into indices of the data set."""
    places = np.asarray(list(indices), np.int64)
    length = self.length(split)
    if len(places) and not 0 <= places.min() <= places.max() < length:
      raise ValueError(
        f'faces {places.min()} to {places.max()} of split {split!r} asked for: '
        f'it has those from 0 to {length - 1}'
      )
    return (places + SPLITS.index(split) * SPLIT_ROOM).astype(np.int32)

  def _draw(
    self,
    split: str,
    indices: Iterable[int | np.integer],
    flip: str | None = None,
  ) -> Face:
    return draw_many(
      self.seed,
      self._indices(split, indices),
      size=self.size,
      correlated=self.correlated,
      flip=flip,
    )

  def _flags(
    self, split: str, indices: Iterable[int | np.integer]
  ) -> tuple[np.ndarray, np.ndarray]:
    flags, visible = _flags(
      np.uint32(self.seed),
      self._indices(split, indices),
      correlated=np.bool_(self.correlated),
    )
    return np.asarray(flags), np.asarray(visible)
