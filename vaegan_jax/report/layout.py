"""Where tiles and words stand in a picture: the pieces of every figure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

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

# Text is drawn so much larger before it is turned: slanted edges stay smooth.
_FINE = 4


def enlarge(pixels: Pixels, scale: int | None) -> Pixels:
  """Repeats pixels: whole factors keep them square and sharp.

  Args:
    pixels: at least one image of 1 or 3 channels.
    scale: pixels of the picture a pixel; None: the smallest that makes a tile
      at least VISIBLE wide and high, so that a 32x32 face can be seen.

  Raises:
    ValueError: no image, another number of channels, or a scale below 1.
  """
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


def lay(
  tiles: Pixels, *, columns: int, gap: tuple[int, int] = (GAP, GAP)
) -> Picture:
  """Lays tiles out with a gap (vertical, horizontal) between them.

  Raises:
    ValueError: a number of columns below 1.
  """
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


def below(pictures: Sequence[Picture], *, gap: int) -> Picture:
  """Lays pictures one below the other, all from the left edge."""
  turned = [picture.swapaxes(0, 1) for picture in pictures]
  return beside(turned, gap=gap).swapaxes(0, 1)


def beside(pictures: Sequence[Picture], *, gap: int | Sequence[int]) -> Picture:
  """Lays pictures one beside the other, all from the top edge.

  Args:
    pictures: from left to right.
    gap: after each but the last, in pixels; one number for all or one each.
  """
  height = max(picture.shape[0] for picture in pictures)
  lefts, width = _lefts(pictures, gap)
  sheet = np.full((height, width, pictures[0].shape[2]), PAPER, np.uint8)
  for left, picture in zip(lefts, pictures, strict=True):
    sheet[: picture.shape[0], left : left + picture.shape[1]] = picture
  return sheet


def headed(
  pictures: Mapping[str, Picture],
  *,
  gap: int | Sequence[int],
  size: int,
  slanted: bool = False,
) -> Picture:
  """Lays pictures one beside the other, each below its heading.

  Args:
    pictures: heading -> picture, from left to right.
    gap: as in `beside`.
    size: of the letters, in pixels.
    slanted: the headings rise at 45 degrees: for those wider than a picture.
  """
  words = [_word(text, size=size, slanted=slanted) for text in pictures]
  body = beside(list(pictures.values()), gap=gap)
  lefts, _ = _lefts(list(pictures.values()), gap)
  middles = [
    left + picture.shape[1] // 2
    for left, picture in zip(lefts, pictures.values(), strict=True)
  ]
  # A slanted word begins over the middle, another has its own middle there.
  starts = [
    max(0, middle - (size // 3 if slanted else word.shape[1] // 2))
    for middle, word in zip(middles, words, strict=True)
  ]
  ends = [s + word.shape[1] for s, word in zip(starts, words, strict=True)]
  height = max(word.shape[0] for word in words)
  paper = np.full((height, max(*ends, body.shape[1])), PAPER, np.uint8)
  for start, end, word in zip(starts, ends, words, strict=True):
    part = paper[height - len(word) :, start:end]
    np.minimum(part, word, out=part)  # the corners of slanted words overlap
  return below([_coloured(paper, body.shape[2]), body], gap=GAP)


def text_size(tile: int) -> int:
  """Gives the height of words beside tiles, readable where a page shrinks."""
  return max(tile * 3 // 16, 14)


def labels(
  texts: Sequence[str], *, like: Sequence[Picture], size: int
) -> list[Picture]:
  """Writes each text on a piece of paper as high as the picture beside it.

  Args:
    texts: one a picture; a line break breaks the line.
    like: the pictures.
    size: of the letters, in pixels.
  """
  font = ImageFont.load_default(size)
  lines = [line for text in texts for line in text.split('\n')]
  width = math.ceil(max(font.getlength(line) for line in lines)) + size
  papers = []
  for text, (height, _, channels) in zip(
    texts, (picture.shape for picture in like), strict=True
  ):
    paper = Image.new('L', (width, height), PAPER)
    # Right of each label stands its picture, half a letter away.
    ImageDraw.Draw(paper).multiline_text(
      (width - size / 2, height / 2),
      text,
      fill=INK,
      font=font,
      anchor='rm',
      align='right',
    )
    papers.append(_coloured(np.asarray(paper), channels))
  return papers


def _lefts(
  pictures: Sequence[Picture], gap: int | Sequence[int]
) -> tuple[list[int], int]:
  """Finds where pictures beside each other begin, and how wide all are."""
  gaps = [*np.broadcast_to(gap, len(pictures) - 1), 0]
  widths = [picture.shape[1] for picture in pictures]
  edges = np.cumsum([0, *np.add(widths, gaps)]).tolist()
  return edges[:-1], edges[-1]


def _word(text: str, *, size: int, slanted: bool) -> np.ndarray:
  font = ImageFont.load_default(_FINE * size)
  width = max(1, math.ceil(font.getlength(text)))
  box = (width, math.ceil(1.2 * _FINE * size))
  image = Image.new('L', box, PAPER)
  ImageDraw.Draw(image).text(
    (0, box[1] / 2), text, fill=INK, font=font, anchor='lm'
  )
  if slanted:
    image = image.rotate(
      45, expand=True, fillcolor=PAPER, resample=Image.Resampling.BICUBIC
    )
  return np.asarray(image.reduce(_FINE))


def _coloured(paper: np.ndarray, channels: int) -> Picture:
  return paper[..., None].repeat(channels, axis=-1)
