"""Arranges images and labels in a picture: the parts of every figure."""

from __future__ import annotations

import math
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

# '_height': one call may take pictures of several sizes.
Pixels = UInt8[np.ndarray, 'images _height _width channels']
Picture = UInt8[np.ndarray, '_height _width channels']
Gap = int | Sequence[int]

VISIBLE = 96  # pixels of the picture: images smaller than this are enlarged
GAP = 4
PAPER = 255
INK = 60
_OVERSAMPLING = 4  # of text before it is rotated, for smooth edges


def enlarge(pixels: Pixels) -> Pixels:
  """Repeats pixels by the smallest factor that makes both sides VISIBLE.

  Raises:
    ValueError: no image, or other than 1 or 3 channels.
  """
  images, height, width, channels = pixels.shape
  if not images or channels not in (1, 3):
    raise ValueError(
      f'pixels of shape {pixels.shape}: expected at least one image, and 1 or '
      '3 channels'
    )
  scale = math.ceil(VISIBLE / min(height, width))
  return pixels.repeat(scale, axis=1).repeat(scale, axis=2)


def tile(
  images: Pixels, *, columns: int, gap: tuple[int, int] = (GAP, GAP)
) -> Picture:
  """Arranges images in rows.

  Args:
    images: of one size.
    columns: images per row, at most.
    gap: vertical and horizontal distance between images.

  Raises:
    ValueError: a number of columns below 1.
  """
  if columns < 1:
    raise ValueError(f'columns = {columns}: expected a whole number from 1')
  columns = min(columns, len(images))
  rows = math.ceil(len(images) / columns)
  missing = rows * columns - len(images)
  padding = ((0, missing), (0, gap[0]), (0, gap[1]), (0, 0))
  cells = np.pad(images, padding, constant_values=PAPER)
  _, height, width, channels = cells.shape
  # [rows, columns, height, ...] -> [rows, height, columns, ...]
  sheet = cells.reshape(rows, columns, height, width, channels).swapaxes(1, 2)
  sheet = sheet.reshape(rows * height, columns * width, channels)
  return sheet[: len(sheet) - gap[0], : sheet.shape[1] - gap[1]]


def hstack(pictures: Sequence[Picture], *, gap: Gap) -> Picture:
  """Arranges pictures side by side, aligned at their top edges.

  Args:
    pictures: from left to right.
    gap: pixels after each picture but the last; one number for all, or a list.
  """
  height = max(map(len, pictures))
  gaps = [*np.broadcast_to(gap, len(pictures) - 1), 0]
  padded = []
  for picture, space in zip(pictures, gaps, strict=True):
    padding = ((0, height - len(picture)), (0, space), (0, 0))
    padded.append(np.pad(picture, padding, constant_values=PAPER))
  return np.concatenate(padded, axis=1)


def vstack(pictures: Sequence[Picture], *, gap: int) -> Picture:
  """Arranges pictures one below the other, aligned at their left edges."""
  transposed = [picture.swapaxes(0, 1) for picture in pictures]
  return hstack(transposed, gap=gap).swapaxes(0, 1)


def with_headings(
  pictures: Mapping[str, Picture], *, gap: Gap, size: int, slanted: bool = False
) -> Picture:
  """Arranges pictures side by side, each below its heading.

  Args:
    pictures: heading -> picture, from left to right.
    gap: as in `hstack`.
    size: of the letters, in pixels.
    slanted: whether headings rise at 45 degrees, as wide ones need.
  """
  body = hstack(list(pictures.values()), gap=gap)
  words = [_word(text, size=size, slanted=slanted) for text in pictures]
  widths = np.array([picture.shape[1] for picture in pictures.values()])
  gaps = np.broadcast_to(gap, len(widths) - 1)
  middles = np.cumsum([0, *(widths[:-1] + gaps)]) + widths // 2
  # A slanted heading begins over the middle; others are centred there.
  offsets = [size // 3 if slanted else word.shape[1] // 2 for word in words]
  starts = np.maximum(0, middles - offsets)
  ends = [s + word.shape[1] for s, word in zip(starts, words, strict=True)]
  height = max(map(len, words))
  paper = np.full((height, max(*ends, body.shape[1])), PAPER, np.uint8)
  for start, end, word in zip(starts, ends, words, strict=True):
    part = paper[height - len(word) :, start:end]
    np.minimum(part, word, out=part)  # corners of slanted words overlap
  return vstack([_with_channels(paper, body.shape[2]), body], gap=GAP)


def label_size(side: int) -> int:
  """Returns the letter height for images of a size, readable if shrunk."""
  return max(side * 3 // 16, 14)


def with_labels(
  rows: Sequence[tuple[str, Picture]], *, size: int
) -> list[Picture]:
  """Puts to the left of each picture its label, right-aligned.

  Args:
    rows: label and picture of each; a label may have line breaks.
    size: of the letters, in pixels.
  """
  font = _font(''.join(text for text, _ in rows), size)
  lines = [line for text, _ in rows for line in text.split('\n')]
  width = math.ceil(max(map(font.getlength, lines))) + size
  labelled = []
  for text, picture in rows:
    height, _, channels = picture.shape
    paper = Image.new('L', (width, height), PAPER)
    style: dict[str, Any] = {'fill': INK, 'font': font, 'anchor': 'rm'}
    ImageDraw.Draw(paper).multiline_text(
      (width - size / 2, height / 2), text, align='right', **style
    )
    label = _with_channels(np.asarray(paper), channels)
    labelled.append(hstack([label, picture], gap=0))
  return labelled


def _font(text: str, size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
  """Returns a font for a text: Pillow's for ASCII, else one of Matplotlib's.

  Neither has the characters of East Asia, which show as boxes.
  """
  if text.isascii():
    return ImageFont.load_default(size)
  import matplotlib  # takes a second

  fonts = pathlib.Path(matplotlib.get_data_path()) / 'fonts' / 'ttf'
  return ImageFont.truetype(fonts / 'DejaVuSans.ttf', size)


def _word(text: str, *, size: int, slanted: bool) -> np.ndarray:
  font = _font(text, _OVERSAMPLING * size)
  width = max(1, math.ceil(font.getlength(text)))
  height = math.ceil(1.2 * _OVERSAMPLING * size)
  image = Image.new('L', (width, height), PAPER)
  ImageDraw.Draw(image).text(
    (0, height / 2), text, fill=INK, font=font, anchor='lm'
  )
  if slanted:
    image = image.rotate(
      45, expand=True, fillcolor=PAPER, resample=Image.Resampling.BICUBIC
    )
  return np.asarray(image.reduce(_OVERSAMPLING))


def _with_channels(paper: np.ndarray, channels: int) -> Picture:
  return paper[..., None].repeat(channels, axis=-1)
