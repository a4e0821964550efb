"""Decodes image files to uint8 pixels."""

from __future__ import annotations

import io

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps, PngImagePlugin

from vaegan_jax.data.images import defects

# PIL reads more formats, some with other programs (EPS with Ghostscript).
FORMATS = (
  *('JPEG', 'PNG', 'WEBP', 'BMP', 'GIF', 'TIFF', 'PPM'),
  *('AVIF', 'JPEG2000', 'DIB', 'QOI', 'SGI', 'TGA', 'PCX'),
)


def _suffixes() -> frozenset[str]:
  kinds = Image.registered_extensions()
  return frozenset(end for end, kind in kinds.items() if kind in FORMATS)


# How the names of readable images end, in lower case.
SUFFIXES = _suffixes()

# 8192 x 8192. A file of a few kilobytes can claim any number.
MAX_PIXELS = 1 << 26

# Formats whose integers have 16 bits at most.
_SIXTEEN_BITS = ('PNG', 'PPM')

_MODES = {1: 'L', 3: 'RGB'}

# Valid files hold colour profiles and texts beyond PIL's limit of 1 MiB.
PngImagePlugin.MAX_TEXT_CHUNK = 16 << 20

# What lies in place of images, by its first bytes after 0 or 4 others.
_IMPOSTORS = (
  (b'version https://git-lfs', "Git LFS's note of it: run git lfs pull"),
  (b'<', 'a web page, or an svg: download the image'),
  (b'ftyphei', 'HEIC of a telephone: convert it to JPEG'),
  (b'ftypmif1', 'HEIC of a telephone: convert it to JPEG'),
)


def decode(
  data: bytes, *, channels: int = 3, name: str = 'the image'
) -> UInt8[np.ndarray, 'height width channels']:
  """Decodes a file to upright grey (1 channel) or RGB (3 channels).

  Transparent pixels are laid over white, 16-bit grey keeps its 8 high bits,
  and PIL converts palette, CMYK and 1-bit images. An animation yields its
  first frame.

  Args:
    data: the whole file.
    channels: channels of the result.
    name: the image's name, for error messages.

  Raises:
    BrokenImage: the file is damaged, not an image, too large, or holds
      numbers whose range is unknown: floating point, or integers of 32 bits.
    MemoryError: there is too little memory to decode it.
  """
  if channels not in _MODES:
    raise ValueError(f'channels must be 1 (grey) or 3 (RGB), not {channels}')
  if not data:
    raise defects.BrokenImage(name, 'the file is empty, not a valid image')
  try:
    with Image.open(io.BytesIO(data), formats=FORMATS) as image:
      return to_pixels(image, channels=channels, name=name)
  except defects.BrokenImage:
    raise
  except defects.READ_ERRORS as error:
    defects.raise_if_passing(error, name=name)
    # The message of UnidentifiedImageError holds a memory address.
    unknown = isinstance(error, Image.UnidentifiedImageError)
    detail = _guess(data) if unknown else f' ({error})'
    raise defects.BrokenImage(
      name, f'{len(data)} bytes are not a valid image{detail}'
    ) from error


def to_pixels(
  image: Image.Image, *, channels: int = 3, name: str = 'the image'
) -> UInt8[np.ndarray, 'height width channels']:
  """Converts an image of PIL, as `decode` does.

  Raises:
    BrokenImage: it is too large, or holds numbers whose range is unknown.
  """
  _check(image, name)
  image.load()
  upright = ImageOps.exif_transpose(image)
  pixels = np.asarray(_flatten(upright).convert(_MODES[channels]))
  return pixels.reshape(*pixels.shape[:2], channels)


def _guess(data: bytes) -> str:
  """Describes a file in none of the formats."""
  start = data[:64].lstrip()
  for mark, what in _IMPOSTORS:
    if start.startswith(mark) or data[4:].startswith(mark):
      return f', but {what}'
  return f' of {", ".join(FORMATS)}'


def _check(image: Image.Image, name: str) -> None:
  """Refuses unsuitable images before their pixels are decoded."""
  width, height = image.size
  if width * height > MAX_PIXELS:
    raise defects.BrokenImage(
      name, f'{width} x {height} pixels are more than {MAX_PIXELS}: resize it'
    )
  # In mode I, PIL reads the 16 bits of PNG and PPM, and the 32 of others.
  kinds = {'F': 'floating point numbers', 'I': 'integers of 32 bits'}
  if image.mode in kinds and image.format not in _SIXTEEN_BITS:
    raise defects.BrokenImage(
      name,
      f'its pixels are {kinds[image.mode]}, whose range is unknown: save them '
      'as bytes',
    )


def _flatten(image: Image.Image) -> Image.Image:
  """Converts 16-bit and transparent images, where PIL loses information."""
  if image.mode == 'I' or image.mode.startswith('I;16'):
    # PIL clips at 255, which turns most of the picture white.
    high = np.clip(np.asarray(image) >> 8, 0, 255)
    return Image.fromarray(high.astype(np.uint8))
  if image.has_transparency_data:
    image = image.convert('RGBA')
    white = Image.new('RGBA', image.size, 'white')
    return Image.alpha_composite(white, image)
  return image
