"""Cartoon faces, drawn on demand: the data set embedded in the project.

A face is a pure function of (seed, index). Pose, light, colours and cloth are
random; the attributes determine the rest. Any attribute can be flipped on the
same face, and a mask says which attributes are visible. The bytes do not depend
on how indices are grouped; another kind of processor may round some values to
the neighbouring byte.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, UInt8

from vaegan_jax.data import sources
from vaegan_jax.data.sources.cartoon import drawing, traits

ATTRIBUTES: tuple[str, ...] = traits.ATTRIBUTES

# Part of the fingerprint. Raise it when a face, its attributes or their
# visibility change.
DRAWING_VERSION = 1

# Indices reserved for each split.
SPLIT_ROOM = 10_000_000


Indices = Iterable[int | np.integer]


class Drawn(NamedTuple):
  """Several faces.

  Attributes:
    pixels: the pictures.
    attributes: which of ATTRIBUTES are present.
    visible: which of ATTRIBUTES a picture shows; flipping another one changes
      no pixel.
  """

  pixels: UInt8[np.ndarray, 'faces height width 3']
  attributes: Bool[np.ndarray, 'faces attributes']
  visible: Bool[np.ndarray, 'faces attributes']


@dataclasses.dataclass(frozen=True)
class Faces:
  """The source of cartoon faces.

  Splits share no face: split number i owns the SPLIT_ROOM indices from
  i * SPLIT_ROOM.

  Attributes:
    size: height and width in pixels.
    seed: of the data set, from 0 to 2^32 - 1.
    correlated: whether attributes are correlated as in CelebA (only men have
      beards), or independent.
    train: the number of faces of split 'train'; the other splits likewise.

  Raises:
    ValueError: an impossible size, seed or length.
  """

  size: tuple[int, int]
  seed: int = 0
  correlated: bool = True
  train: int = 20_000
  validation: int = 1_000
  test: int = 2_000

  name = 'faces'
  channels = 3
  attribute_names = ATTRIBUTES
  skip_broken = False

  def __post_init__(self) -> None:
    if min(self.size) < 16:
      raise ValueError(
        f'a cartoon face of {self.size[0]}x{self.size[1]} pixels is too small: '
        'height and width must be at least 16'
      )
    if not 0 <= self.seed < 2**32:
      raise ValueError(f'seed {self.seed} must be from 0 to 2^32 - 1')
    for split in sources.SPLITS:
      if not 0 <= self.length(split) <= SPLIT_ROOM:
        raise ValueError(
          f'{split} = {self.length(split)} faces must be from 0 to {SPLIT_ROOM}'
        )

  def fingerprint(self) -> dict[str, Any]:
    """Covers the settings and the version of the drawing."""
    return {
      'name': self.name,
      'drawing_version': DRAWING_VERSION,
      **dataclasses.asdict(self),
    }

  def stamp(self) -> str:
    """Returns '', as the images are in no files."""
    return ''

  def length(self, split: str) -> int:
    """Counts the faces of a split.

    Raises:
      ValueError: the split is unknown.
    """
    if split not in sources.SPLITS:
      raise ValueError(f'no split {split!r}: expected one of {sources.SPLITS}')
    return int(getattr(self, split))

  def attributes(self, split: str) -> Bool[np.ndarray, 'images attributes']:
    """Returns the attributes of every face of a split."""
    return np.asarray(self._plan(split, range(self.length(split))).attributes)

  def read(
    self, split: str, start: int, stop: int
  ) -> UInt8[np.ndarray, 'images height width channels']:
    """Draws faces start..stop-1 of a split."""
    return self.draw(split, range(start, stop)).pixels

  def visible(
    self, split: str, start: int, stop: int
  ) -> Bool[np.ndarray, 'images attributes']:
    """Returns which attributes the pictures start..stop-1 show."""
    return np.asarray(self._plan(split, range(start, stop)).visible)

  def draw(
    self, split: str, indices: Indices, *, flip: str | None = None
  ) -> Drawn:
    """Draws faces of a split, with the named attribute flipped.

    Raises:
      ValueError: there is no such split, face or attribute.
    """
    plan = self._plan(split, indices, flip=flip)
    pixels = drawing.paint_many(plan, size=self.size)
    return Drawn(pixels, np.asarray(plan.attributes), np.asarray(plan.visible))

  def _plan(
    self, split: str, indices: Indices, *, flip: str | None = None
  ) -> drawing.Plan:
    places, length = np.asarray([*indices], np.int64), self.length(split)
    if len(places) and not 0 <= places.min() <= places.max() < length:
      raise ValueError(
        f'split {split!r} has faces from 0 to {length - 1}, not '
        f'{places.min()} to {places.max()}'
      )
    return drawing.plan_many(
      self.seed,
      places + sources.SPLITS.index(split) * SPLIT_ROOM,
      correlated=self.correlated,
      flip=flip,
    )
