"""Pictures of a run: grids of images, reconstructions, development.

Every function here takes uint8 pixels and gives one uint8 picture [height,
width, channels], which `save` writes. The curves are in `curves.py`.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Iterable, Sequence

import numpy as np
from PIL import Image

from vaegan_jax.report import layout

Pixels = layout.Pixels
Picture = layout.Picture


def grid(pixels: Pixels, *, columns: int, scale: int | None = None) -> Picture:
  """Lays images out in rows, white between them.

  Args:
    pixels: at least one image of 1 or 3 channels, 0..255.
    columns: images a row; fewer images than that make a narrower picture.
    scale: pixels of the picture a pixel; None: the smallest that makes a tile
      at least layout.VISIBLE wide and high, so that a 32x32 face can be seen.

  Raises:
    ValueError: no image, or a number of columns or a scale below 1.
  """
  return layout.lay(layout.enlarge(pixels, scale), columns=columns)


def reconstructions(
  originals: Pixels,
  reconstructed: Pixels,
  *,
  columns: int,
  scale: int | None = None,
) -> Picture:
  """Lays originals out in rows, each above its reconstruction.

  Args:
    originals: 0..255.
    reconstructed: of the originals, in the same order and shape.
    columns: pairs a row.
    scale: as in `grid`.

  Raises:
    ValueError: the shapes differ, or what `grid` raises.
  """
  if originals.shape != reconstructed.shape:
    raise ValueError(
      f'originals of shape {originals.shape} and reconstructions of shape '
      f'{reconstructed.shape}: each original needs one of its own size'
    )
  above, below = (layout.enlarge(p, scale) for p in (originals, reconstructed))
  seam = np.full(
    (len(above), layout.GAP // 2, *above.shape[2:]), layout.PAPER, np.uint8
  )
  pairs = np.concatenate([above, seam, below], axis=1)
  return layout.lay(pairs, columns=columns, gap=(4 * layout.GAP, layout.GAP))


def development(steps_and_strips: Sequence[tuple[int, Picture]]) -> Picture:
  """Stacks strips of images, the step at which each was made to their left.

  Args:
    steps_and_strips: from top to bottom, as `strips` gives them.

  Raises:
    ValueError: no strip, or strips of several shapes.
  """
  shapes = {strip.shape for _, strip in steps_and_strips}
  if len(shapes) != 1:
    raise ValueError(
      f'strips of shapes {sorted(shapes)}: expected at least one strip, and '
      'the same number of images of one size in each'
    )
  texts = [f'{step:,}' for step, _ in steps_and_strips]
  texts[0] = f'step {texts[0]}'
  pictures = [strip for _, strip in steps_and_strips]
  labels = layout.labels(
    texts, like=pictures, size=layout.text_size(len(pictures[0]))
  )
  rows = [
    layout.beside(pair, gap=0) for pair in zip(labels, pictures, strict=True)
  ]
  return layout.below(rows, gap=layout.GAP)


def strips(
  folder: pathlib.Path, *, prefix: str, count: int = 8
) -> list[tuple[int, Picture]]:
  """Loads about `count` of the strips that training left in a folder.

  The files <prefix>_<step>.png are all the memory there is of earlier steps,
  so a resumed run shows what its first process made.

  Args:
    folder: where the strips lie.
    prefix: 'samples' for samples_00000500.png.
    count: of strips wanted; `spread` chooses.

  Returns:
    (step, strip) in the order of steps; empty if there is none.
  """
  paths = {
    int(path.stem.removeprefix(f'{prefix}_')): path
    for path in folder.glob(f'{prefix}_*.png')
    if path.stem.removeprefix(f'{prefix}_').isdecimal()
  }
  return [(step, load(paths[step])) for step in spread(paths, count=count)]


def spread(steps: Iterable[int], *, count: int) -> list[int]:
  """Chooses about `count` of some steps, spread geometrically.

  Much happens early in training and little late. The first step and the last
  are always among them; step 0 comes beside the `count`.

  Raises:
    ValueError: `count` is below 2.
  """
  if count < 2:
    raise ValueError(f'count = {count}: the first and the last step make 2')
  ordered = np.unique(np.fromiter(steps, np.int64))
  positive = ordered[ordered > 0]
  if len(positive) <= count:
    return ordered.tolist()
  wanted = np.geomspace(positive[0], positive[-1], count)
  distances = np.abs(np.log(wanted[:, None] / positive))
  chosen = positive[np.unique(distances.argmin(axis=1))]
  return [*ordered[ordered == 0].tolist(), *chosen.tolist()]


def save(path: pathlib.Path, picture: Picture) -> None:
  """Writes a picture as PNG: whole, or not at all.

  Folders that are missing are made.
  """
  path.parent.mkdir(parents=True, exist_ok=True)
  temporary = path.with_name(f'.{path.name}.{os.getpid()}')
  try:
    _image(picture).save(temporary, format='PNG')
    temporary.replace(path)
  finally:
    temporary.unlink(missing_ok=True)


def load(path: pathlib.Path) -> Picture:
  """Reads a picture that `save` wrote."""
  with Image.open(path) as image:
    picture = np.asarray(image)
  return picture[..., None] if picture.ndim == 2 else picture


def _image(picture: Picture) -> Image.Image:
  grey = picture.shape[-1] == 1
  return Image.fromarray(picture[..., 0] if grey else picture)
