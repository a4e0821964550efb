"""An image file of any kind -> uint8 pixels."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

from vaegan_jax.data.images import skipping

# PIL knows more; for some it starts other programs (EPS: Ghostscript).
FORMATS = ('JPEG', 'PNG', 'WEBP', 'BMP', 'GIF', 'TIFF', 'PPM')

# Of an image: 8192 x 8192. A few kilobytes may claim any number.
MOST_PIXELS = 1 << 26

_MODES = {1: 'L', 3: 'RGB'}
_BROKEN = (
  OSError,
  SyntaxError,  # what PIL raises for a broken PNG
  ValueError,
  EOFError,
  struct.error,
  zlib.error,
  # What one or another version of its readers runs into, where nothing checks
  # a number of a header.
  LookupError,
  TypeError,
  AttributeError,
  ArithmeticError,
  RuntimeError,
  MemoryError,
  Image.DecompressionBombError,
)


def decode(
  data: bytes, *, channels: int = 3, name: str = 'the image'
) -> UInt8[np.ndarray, 'height width channels']:
  """Decodes a file's bytes, upright, to grey (1 channel) or RGB (3).

  Transparent pixels are laid over white, 16-bit grey keeps its 8 high bits,
  and palette, CMYK and 1-bit files are converted by PIL. Of an animation it
  is the first frame.

  Args:
    data: the whole file.
    channels: of the result.
    name: of the image, for errors.

  Raises:
    Broken: the bytes are no whole image, an image of too many pixels, or one
      of floating point numbers, whose range nobody knows.
  """
  if channels not in _MODES:
    raise ValueError(f'channels must be 1 (grey) or 3 (RGB), not {channels}')
  if not data:
    raise skipping.Broken(name, 'the file is empty, no whole image')
  try:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
      _check(image, name)
      image.load()
      upright = ImageOps.exif_transpose(image)
      pixels = np.asarray(_opaque(upright).convert(_MODES[channels]))
  except skipping.Broken:
    raise
  except Image.UnidentifiedImageError as error:
    raise skipping.Broken(
      name, f'{len(data)} bytes are no whole image of {", ".join(FORMATS)}'
    ) from error
  except _BROKEN as error:
    raise skipping.Broken(
      name, f'{len(data)} bytes are no whole image ({error})'
    ) from error
  return pixels.reshape(*pixels.shape[:2], channels)


def _check(image: Image.Image, name: str) -> None:
  """Refuses, before any pixel is decoded, what cannot become bytes."""
  width, height = image.size
  if width * height > MOST_PIXELS:
    raise skipping.Broken(
      name,
      f'{width} x {height} pixels are more than {MOST_PIXELS}: reduce it',
    )
  if image.mode == 'F':
    raise skipping.Broken(
      name, 'its pixels are floating point numbers: save them as bytes'
    )


def _opaque(image: Image.Image) -> Image.Image:
  """Brings the modes that PIL's own conversion spoils to one it does not."""
  if image.mode == 'I' or image.mode.startswith('I;16'):
    # PIL would clip at 255, which turns nearly all of the picture white.
    high = np.clip(np.asarray(image) >> 8, 0, 255)
    return Image.fromarray(high.astype(np.uint8))
  if image.has_transparency_data:
    image = image.convert('RGBA')
    white = Image.new('RGBA', image.size, 'white')
    return Image.alpha_composite(white, image)
  return image
