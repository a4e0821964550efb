"""Sources of images: the interface, which each module here implements."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Shaped, UInt8

SPLITS = ('train', 'validation', 'test')


@runtime_checkable
class Source(Protocol):
  """A source of images: a frozen dataclass whose fields are its settings.

  Attributes:
    name: value of `config.data.source`, for example 'celeba'.
    size: height and width in pixels of the images that `read` returns.
    channels: 1 (grey) or 3 (RGB).
    attribute_names: one for each column of `attributes`; may be empty.
    skip_broken: whether to leave out any number of broken images. It changes
      no byte of the others, so it is not part of the fingerprint.
  """

  @property
  def name(self) -> str: ...  # noqa: D102
  @property
  def size(self) -> tuple[int, int]: ...  # noqa: D102
  @property
  def channels(self) -> int: ...  # noqa: D102
  @property
  def attribute_names(self) -> tuple[str, ...]: ...  # noqa: D102
  @property
  def skip_broken(self) -> bool: ...  # noqa: D102

  def fingerprint(self) -> dict[str, Any]:
    """Returns everything that determines the images, in JSON types.

    A cache belongs to one fingerprint. It covers the content of files, not
    their times or places, so copies of the data share a cache. It is computed
    when the stamp is new.
    """
    ...

  def stamp(self) -> str:
    """Returns a digest that changes whenever the fingerprint may.

    Every start computes it, so it covers the times of files for their content.
    '' if the fingerprint reads no files.
    """
    ...

  def length(self, split: str) -> int:
    """Counts the images of a split, including broken ones.

    Raises:
      ValueError: the split is unknown, or has too many images that are known
        to be broken before they are read.
    """
    ...

  def attributes(
    self, split: str
  ) -> Shaped[np.ndarray, 'images attributes'] | None:
    """Returns one row per image in the order of `read`, or None.

    The rows of broken images may hold anything.
    """
    ...

  def read(
    self, split: str, start: int, stop: int
  ) -> UInt8[np.ndarray, 'images height width channels']:
    """Returns images start..stop-1; pure and thread-safe.

    Raises:
      BrokenImage: one of them is missing or damaged.
    """
    ...
