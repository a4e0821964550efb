"""Any source -> one uint8 array on disk."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from jaxtyping import Shaped, UInt8

SPLITS = ('train', 'validation', 'test')


class Source(Protocol):
  """Where images come from: a frozen dataclass whose fields are its settings.

  Attributes:
    name: what the user wrote in `config.data.source`, 'celeba' for example.
    size: height and width of the images that `read` returns, in pixels.
    channels: 1 (grey) or 3 (RGB).
    attribute_names: of the columns of `attributes`; empty if there are none.
  """

  name: str
  size: tuple[int, int]
  channels: int
  attribute_names: tuple[str, ...]

  def fingerprint(self) -> dict[str, Any]:
    """Says in JSON types everything that decides the bytes that `read` gives.

    Settings, and for files their names' and sizes' digest: enough that another
    data set or another setting has another fingerprint.
    """
    ...

  def length(self, split: str) -> int:
    """Counts the images of a split."""
    ...

  def attributes(
    self, split: str
  ) -> Shaped[np.ndarray, 'images attributes'] | None:
    """Gives a row of attributes an image, in the order of `read`, or None."""
    ...

  def read(
    self, split: str, start: int, stop: int
  ) -> UInt8[np.ndarray, 'images height width channels']:
    """Makes images start..stop-1; pure, and safe to call from threads."""
    ...
