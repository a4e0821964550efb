"""Features: a vector for each image, in which sets of images are compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float32, UInt8

Pixels: TypeAlias = UInt8[np.ndarray, '_images _height _width channels']
Features: TypeAlias = Float32[np.ndarray, '_images _features']
# The interface of every kind of features: an oracle's, Inception's or those of
# a random network.
Extract: TypeAlias = Callable[[np.ndarray], Features]


class ImageSet(NamedTuple):
  """Images and their features, a row for each image."""

  pixels: Pixels
  features: Features

  def first(self, count: int) -> ImageSet:
    """Returns the first images of the set."""
    return ImageSet(self.pixels[:count], self.features[:count])


def describe(pixels: Pixels, extract: Extract) -> ImageSet:
  """Computes the features of images."""
  return ImageSet(pixels, extract(pixels))
