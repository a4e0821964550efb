"""An image file of any kind -> uint8 pixels."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

_MODES = {1: 'L', 3: 'RGB'}
_BROKEN = (
  OSError,
  SyntaxError,  # what PIL raises for a broken PNG
  ValueError,
  EOFError,
  struct.error,
  zlib.error,
  Image.DecompressionBombError,
)


def decode(
  data: bytes, *, channels: int = 3
) -> UInt8[np.ndarray, 'height width channels']:
  """Decodes a file's bytes, upright, to grey (1 channel) or RGB (3).

  Transparent pixels are laid over white, 16-bit grey keeps its 8 high bits,
  and palette, CMYK and 1-bit files are converted by PIL. Of an animation it
  is the first frame.

  Raises:
    ValueError: the bytes are no whole image.
  """
  if channels not in _MODES:
    raise ValueError(f'channels must be 1 (grey) or 3 (RGB), not {channels}')
  try:
    with Image.open(io.BytesIO(data)) as image:
      image.load()
      upright = ImageOps.exif_transpose(image)
      pixels = np.asarray(_opaque(upright).convert(_MODES[channels]))
  except _BROKEN as error:
    raise ValueError(
      f'{len(data)} bytes are no whole image ({error}); fetch the file again '
      'or remove it'
    ) from error
  return pixels.reshape(*pixels.shape[:2], channels)


def check(data: bytes) -> None:
  """Raises ValueError if the bytes are no whole image, faster than `decode`."""
  try:
    with Image.open(io.BytesIO(data)) as image:
      # An eighth of the size: all of a JPEG is read, most of it not computed.
      image.draft('L', (1, 1))
      image.load()
  except _BROKEN as error:
    raise ValueError(
      f'{len(data)} bytes are no whole image: {error}'
    ) from error


def _opaque(image: Image.Image) -> Image.Image:
  """Brings the modes that PIL's own conversion spoils to one it does not."""
  if image.mode == 'I' or image.mode.startswith('I;16'):
    # PIL would clip at 255, which turns nearly all of the picture white.
    return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
  if image.has_transparency_data:
    image = image.convert('RGBA')
    white = Image.new('RGBA', image.size, 'white')
    return Image.alpha_composite(white, image)
  return image
