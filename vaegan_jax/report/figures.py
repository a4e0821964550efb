"""Pictures of a run: grids of images, reconstructions, development.

Every function here takes uint8 pixels and gives one uint8 picture [height,
width, channels], which `save` writes. The curves are in `curves.py`.
"""

from __future__ import annotations

import math
import os
import pathlib
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

# Pictures of several sizes meet in one call: '_' binds no name.
Pixels = UInt8[np.ndarray, 'images _height _width channels']
Picture = UInt8[np.ndarray, '_height _width channels']

# Sides of a tile below which images are enlarged, in pixels of the picture.
VISIBLE = 96
GAP = 4
PAPER = 255
INK = 60


def grid(pixels: Pixels, *, columns: int, scale: int | None = None) -> Picture:
  """Lays images out in rows, white between them.

  Args:
    pixels: at least one image of 1 or 3 channels, 0..255.
    columns: images a row; fewer images than that make a narrower picture.
    scale: pixels of the picture a pixel; None: the smallest that makes a tile
      at least VISIBLE wide and high, so that a 32x32 face can be seen.

  Raises:
    ValueError: no image, or a number of columns or a scale below 1.
  """
  return _lay(_enlarge(pixels, scale), columns=columns, gap=(GAP, GAP))


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
  above, below = (_enlarge(p, scale) for p in (originals, reconstructed))
  seam = np.full((len(above), GAP // 2, *above.shape[2:]), PAPER, np.uint8)
  pairs = np.concatenate([above, seam, below], axis=1)
  return _lay(pairs, columns=columns, gap=(4 * GAP, GAP))


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
  labels = _labels(texts, like=steps_and_strips[0][1])
  rows = [
    np.concatenate([label, strip], axis=1)
    for label, (_, strip) in zip(labels, steps_and_strips, strict=True)
  ]
  return _lay(np.stack(rows), columns=1, gap=(GAP, 0))


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


def _enlarge(pixels: Pixels, scale: int | None) -> Pixels:
  """Repeats pixels: whole factors keep them square and sharp."""
  images, height, width, channels = pixels.shape
  if not images or channels not in (1, 3):
    raise ValueError(
      f'pixels of shape {pixels.shape}: expected at least one image, and 1 or '
      '3 channels'
    )
  if scale is None:
    scale = math.ceil(VISIBLE / min(height, width))
  if scale < 1:
    raise ValueError(f'scale = {scale}: give a whole number from 1')
  return pixels.repeat(scale, axis=1).repeat(scale, axis=2)


def _lay(tiles: Pixels, *, columns: int, gap: tuple[int, int]) -> Picture:
  """Lays tiles out with a gap (vertical, horizontal) between them."""
  if columns < 1:
    raise ValueError(f'columns = {columns}: give a whole number from 1')
  images, height, width, channels = tiles.shape
  columns = min(columns, images)
  rows = math.ceil(images / columns)
  down, right = height + gap[0], width + gap[1]
  picture = np.full(
    (rows * down - gap[0], columns * right - gap[1], channels), PAPER, np.uint8
  )
  for i, tile in enumerate(tiles):
    top, left = i // columns * down, i % columns * right
    picture[top : top + height, left : left + width] = tile
  return picture


def _labels(texts: Sequence[str], *, like: Picture) -> Sequence[Picture]:
  """Writes each text on a piece of paper as high as a strip."""
  height, _, channels = like.shape
  # Readable where a page shows the picture smaller than it is.
  size = min(max(height // 6, 14), height)
  font = ImageFont.load_default(size)
  width = math.ceil(max(font.getlength(text) for text in texts)) + size
  labels = []
  for text in texts:
    paper = Image.new('L', (width, height), PAPER)
    ImageDraw.Draw(paper).text(
      (width - size / 2, height / 2), text, fill=INK, font=font, anchor='rm'
    )
    labels.append(np.asarray(paper)[..., None].repeat(channels, axis=-1))
  return labels
