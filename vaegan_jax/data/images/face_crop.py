"""Crops the face from aligned photographs of one size."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from vaegan_jax.data.images import decoding, defects, resizing


class Frame(NamedTuple):
  """Where the face is in each photograph of a data set.

  Attributes:
    shape: height, width and channels of a photograph.
    rows: rows of the face.
    columns: columns of the face.
    remedy: advice about photographs of another shape, for error messages.
  """

  shape: tuple[int, int, int]
  rows: slice
  columns: slice
  remedy: str


def decode(
  data: bytes, *, name: str, frame: Frame, size: tuple[int, int]
) -> UInt8[np.ndarray, 'height width 3']:
  """Decodes a photograph, crops the face and resizes it.

  Args:
    data: the file.
    name: the photograph's name, for error messages.
    frame: where the face is.
    size: height and width of the result.

  Raises:
    BrokenImage: the file is damaged or has another shape than `frame`.
  """
  pixels = decoding.decode(data, name=name)
  if pixels.shape != frame.shape:
    raise defects.BrokenImage(
      name,
      f'its shape is {pixels.shape}, expected {frame.shape}: {frame.remedy}',
    )
  return resizing.fit(pixels[frame.rows, frame.columns], size)
