"""Features: a vector for each image, in which sets of images are compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float32, UInt8

from vaegan_jax.data import cache

Pixels: TypeAlias = UInt8[np.ndarray, '_images _height _width channels']
Features: TypeAlias = Float32[np.ndarray, '_images _features']
# The interface of every kind of features: an oracle's, Inception's or those of
# a random network.
Extract: TypeAlias = Callable[[np.ndarray], Features]


class ImageSet(NamedTuple):
  """Images and their features, a row for each image."""

  pixels: Pixels
  features: Features

  def spread(self, count: int) -> ImageSet:
    """Returns evenly spaced images of the set; all, if there are fewer."""
    rows = cache.spread(len(self.pixels), count)
    return ImageSet(self.pixels[rows], self.features[rows])


def describe(pixels: Pixels, extract: Extract) -> ImageSet:
  """Computes the features of images."""
  return ImageSet(pixels, extract(pixels))
