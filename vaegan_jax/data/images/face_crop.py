"""Aligned photographs, all of one size -> the faces in them, reduced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from vaegan_jax.data.images import archives, decoding, resizing, skipping


class Frame(NamedTuple):
  """Where the face is in each photograph of a data set.

  Attributes:
    full: height, width, colours of a photograph.
    rows: of the face.
    columns: of the face.
    remedy: what to do about photographs of another size.
  """

  full: tuple[int, int, int]
  rows: slice
  columns: slice
  remedy: str


def read(
  archive: archives.Archive,
  names: Sequence[str],
  *,
  frame: Frame,
  size: tuple[int, int],
) -> UInt8[np.ndarray, 'images height width colours']:
  """Decodes, crops and reduces photographs.

  Args:
    archive: where they are.
    names: of the photographs.
    frame: where the face is.
    size: height and width to reduce it to.

  Raises:
    Broken: one is missing, damaged or of another size.
  """
  faces = []
  for name in names:
    pixels = decoding.decode(archive.read(name), name=name)
    if pixels.shape != frame.full:
      raise skipping.Broken(
        name,
        f'its shape is {pixels.shape}, expected {frame.full}: {frame.remedy}',
      )
    faces.append(resizing.fit(pixels[frame.rows, frame.columns], size))
  return np.stack(faces)
