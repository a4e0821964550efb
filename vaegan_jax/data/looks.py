"""Tells whether images look as if something went wrong before they came here.

Such images are valid, so they are used; a warning names the likely cause.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import UInt8

Images = UInt8[np.ndarray, 'images height width channels']

# Of 0..255: nearly black below it, nearly white above its complement.
_DARK = 32

# The fraction of values that may be brighter, or darker.
_OUTLIERS = 0.001

# Values of an image that are compared before all of them.
_COMPARED = 64

# The fraction of images that may have one colour, or repeat another one.
_FEW = 0.1


def complaints(
  pixels: Images,
) -> Iterator[str]:
  """Yields what is odd about a fair sample of a data set, with a remedy."""
  total = len(pixels)
  low, high = np.quantile(pixels, [_OUTLIERS, 1 - _OUTLIERS])
  if high < _DARK:
    yield (
      f'they are nearly black: almost no value is above {high:.0f} of 255. '
      'Stretch them to 0..255; 16-bit images, of which the high byte is used, '
      'to 0..65535'
    )
  elif low > 255 - _DARK:
    yield (
      f'they are nearly white: almost no value is below {low:.0f} of 255. '
      'Stretch them to 0..255'
    )
  ranges = np.ptp(pixels.reshape(total, -1, pixels.shape[-1]), axis=1)
  flat = int((ranges.max(axis=-1) == 0).sum())
  if flat > _FEW * total:
    yield f'{flat} of {total} have only one colour: look at the files'
  copies = total - len({image.tobytes() for image in pixels})
  if copies > _FEW * total:
    yield f'{copies} of {total} repeat another one: remove the copies'


def count_copies(
  images: Images, others: UInt8[np.ndarray, 'others height width channels']
) -> int:
  """Counts the images that occur among others, byte for byte."""
  keys, other_keys = _keys(images), _keys(others)
  similar = {*keys} & {*other_keys}
  wanted = {
    others[i].tobytes() for i, k in enumerate(other_keys) if k in similar
  }
  return sum(
    images[i].tobytes() in wanted for i, k in enumerate(keys) if k in similar
  )


def _keys(images: Images) -> list[bytes]:
  """Returns some values of each image; equal images have equal ones."""
  values = images.reshape(len(images), -1)
  some = values[:, :: max(1, values.shape[1] // _COMPARED)]
  return [row.tobytes() for row in some]
