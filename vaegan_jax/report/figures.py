"""Figures of images: grids, reconstructions, development; PNG files."""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from vaegan_jax.report import layout

Pixels = layout.Pixels
Picture = layout.Picture


def grid(pixels: Pixels, *, columns: int) -> Picture:
  """Arranges images in rows; arguments and errors as in `layout`."""
  return layout.tile(layout.enlarge(pixels), columns=columns)


def reconstructions(
  originals: Pixels, reconstructed: Pixels, *, columns: int
) -> Picture:
  """Arranges originals in rows, each above its reconstruction.

  Args:
    originals: 0..255.
    reconstructed: of the originals, in the same order and shape.
    columns: pairs per row.

  Raises:
    ValueError: the shapes differ, or as in `layout`.
  """
  if originals.shape != reconstructed.shape:
    raise ValueError(
      f'originals of shape {originals.shape} and reconstructions of shape '
      f'{reconstructed.shape}: each original needs one of its own size'
    )
  above, below = map(layout.enlarge, (originals, reconstructed))
  seam = np.full_like(above[:, : layout.GAP // 2], layout.PAPER)
  pairs = np.concatenate([above, seam, below], axis=1)
  return layout.tile(pairs, columns=columns, gap=(4 * layout.GAP, layout.GAP))


def clear(
  arrange: Callable[..., Picture], *images: Pixels, columns: int
) -> UInt8[np.ndarray, '_height _width channels+1']:
  """Arranges images, with nothing between them: the paper is transparent.

  Args:
    arrange: `grid` or `reconstructions`.
    *images: its arguments.
    columns: as there.

  Returns:
    the picture, with alpha as one more channel.
  """
  picture = arrange(*images, columns=columns)
  blank = [np.zeros_like(x[..., :1]) for x in images]
  paper = arrange(*blank, columns=columns)
  return np.concatenate([picture, layout.PAPER - paper], axis=-1)


def development(strips: Sequence[tuple[int, Picture]]) -> Picture:
  """Stacks strips of images, each labelled with its training step.

  Raises:
    ValueError: no strip, or strips of several shapes.
  """
  shapes = {strip.shape for _, strip in strips}
  if len(shapes) != 1:
    raise ValueError(
      f'strips of shapes {sorted(shapes)}: expected at least one strip, and '
      'the same number of images of one size in each'
    )
  rows = [(f'{step:,}', strip) for step, strip in strips]
  rows[0] = (f'step {rows[0][0]}', rows[0][1])
  size = layout.label_size(len(strips[0][1]))
  return layout.vstack(layout.with_labels(rows, size=size), gap=layout.GAP)


def save(path: pathlib.Path, picture: Picture) -> None:
  """Writes a picture as PNG; missing folders are made.

  Args:
    path: the file.
    picture: grey or RGB, with alpha or without.
  """
  grey = picture.shape[-1] == 1
  image = Image.fromarray(picture[..., 0] if grey else picture)
  write_image(path, image, format='PNG')


def write_image(path: pathlib.Path, image: Image.Image, **options: Any) -> None:
  """Writes an image atomically, with options of Pillow's `save`."""
  path.parent.mkdir(parents=True, exist_ok=True)
  temporary = path.with_name(f'.{path.name}.{os.getpid()}')
  try:
    image.save(temporary, **options)
    temporary.replace(path)
  finally:
    temporary.unlink(missing_ok=True)


def load(path: pathlib.Path) -> Picture:
  """Reads a picture that `save` wrote."""
  with Image.open(path) as image:
    picture = np.asarray(image)
  return picture[..., None] if picture.ndim == 2 else picture
