"""Cartoon faces, drawn on demand: the data set that comes with the project.

A face is a pure function of (seed, index): chance decides pose, light, colours
and cloth, the attributes decide the rest. Any attribute can be flipped on the
same face, and a mask says which attributes can be seen. The bytes are the same
however the indices are grouped; another kind of processor may round a value to
the next byte.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Int, UInt8

from vaegan_jax.data import cache
from vaegan_jax.data.sources.cartoon import drawing, traits

ATTRIBUTES: tuple[str, ...] = traits.ATTRIBUTES
# Raise it whenever a face, its attributes or their visibility change: caches
# made before are then made anew.
DRAWING_VERSION = 1
SPLIT_ROOM = 10_000_000  # indices set aside for each split


class Face(NamedTuple):
  """One face, or several along a leading axis.

  Attributes:
    pixels: the picture.
    attributes: which of ATTRIBUTES hold.
    visible: which of ATTRIBUTES the picture shows; flipping another one leaves
      every pixel as it is.
  """

  pixels: UInt8[np.ndarray, '*faces height width 3']
  attributes: Bool[np.ndarray, '*faces attributes']
  visible: Bool[np.ndarray, '*faces attributes']


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
  planned = drawing.plan_many(
    seed,
    np.asarray(list(indices), np.int64),
    correlated=correlated,
    flip=flip,
  )
  pixels = drawing.paint_many(planned, size=size)
  return Face(
    pixels, np.asarray(planned.attributes), np.asarray(planned.visible)
  )


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
  skip_broken: bool = dataclasses.field(default=False, init=False, repr=False)

  def __post_init__(self) -> None:
    _check_size(self.size)
    if not 0 <= self.seed < 2**32:
      raise ValueError(
        f'seed {self.seed} is not within 0 and 2^32 - 1: give one that is'
      )
    for split in cache.SPLITS:
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
      **{split: self.length(split) for split in cache.SPLITS},
    }

  def length(self, split: str) -> int:
    """Counts the faces of a split.

    Raises:
      ValueError: no such split.
    """
    if split not in cache.SPLITS:
      raise ValueError(f'no split {split!r}: expected one of {cache.SPLITS}')
    return int(getattr(self, split))

  def attributes(self, split: str) -> Bool[np.ndarray, 'images attributes']:
    """Gives the attributes of every face of a split."""
    whole = self._plan(split, range(self.length(split)))
    return np.asarray(whole.attributes)

  def read(
    self, split: str, start: int, stop: int
  ) -> UInt8[np.ndarray, 'images height width channels']:
    """Draws faces start..stop-1 of a split."""
    return np.asarray(self._draw(split, range(start, stop)).pixels)

  def visible(
    self, split: str, start: int, stop: int
  ) -> Bool[np.ndarray, 'images attributes']:
    """Says which attributes the pictures start..stop-1 show."""
    return np.asarray(self._plan(split, range(start, stop)).visible)

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
    return places + cache.SPLITS.index(split) * SPLIT_ROOM

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

  def _plan(
    self, split: str, indices: Iterable[int | np.integer]
  ) -> drawing.Plan:
    return drawing.plan_many(
      self.seed,
      self._indices(split, indices),
      correlated=self.correlated,
      flip=None,
    )
