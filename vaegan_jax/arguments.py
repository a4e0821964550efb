"""Checks what users pass to a model, before anything is computed from it.

The seed has the bounds of config.seed. Arrays of JAX are taken like those of
NumPy, and images of PIL like those of a folder; other containers are refused,
as their order of axes is not known.
"""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Sequence
from typing import Any, TypeAlias

import jax
import numpy as np
from jaxtyping import Float32, Shaped, UInt8
from PIL import Image

from vaegan_jax.config import schema
from vaegan_jax.data.images import decoding, defects

Pixels: TypeAlias = UInt8[np.ndarray, 'batch height width channels']
Codes: TypeAlias = Float32[np.ndarray, 'batch latent']
# The least and the greatest value of each attribute.
Limits: TypeAlias = Sequence[Sequence[float]]

_COUNT = schema.Setting(int, '', least=1)
# Range of wrong images -> how to convert them.
_CONVERSIONS = (
  ((0, 1), '(255 * images).round().astype("uint8")'),
  ((-1, 1), '(127.5 * (images + 1)).round().astype("uint8")'),
  ((0, 255), 'images.round().astype("uint8")'),
)


def seed(given: Any) -> int:
  """Returns a seed of draws.

  Raises:
    ValueError: it is not a whole number that config.seed may be.
  """
  return schema.SETTINGS['seed'].require(_whole(given), name='seed')


def count(given: Any, *, name: str = 'n') -> int:
  """Returns a number of samples, frames or walkers.

  Raises:
    ValueError: it is not a whole number of at least 1.
  """
  return _COUNT.require(_whole(given), name=name)


def images(given: Any, *, shape: tuple[int, int, int]) -> Pixels:
  """Returns pixels as a NumPy array.

  Args:
    given: images, 0..255, or one of them; or images of PIL, of any size, which
      are cropped to the aspect ratio about the centre and resized.
    shape: height, width and channels that the model takes.

  Raises:
    TypeError: they are no array of uint8; with the conversion, if the values
      suggest one.
    ValueError: they have another shape, with the remedy for common ones; or an
      image of PIL cannot be converted.
  """
  if isinstance(given, Image.Image):
    given = [given]
  if isinstance(given, list | tuple) and given and _are_of_pil(given):
    return np.stack([_fit(image, shape) for image in given])
  array = _array(given, 'images')
  array = array[None] if array.shape == shape else array
  if array.dtype != np.uint8:
    raise TypeError(
      f'images are {array.dtype}{_range(array)}: expected uint8 pixels, 0..255'
      f'{_conversion(array)}'
    )
  _check_shape(array, shape, 'images')
  return array


def codes(given: Any, *, latent: int) -> Codes:
  """Returns codes as a NumPy array.

  Raises:
    TypeError: they are no array of float32.
    ValueError: they have another shape, or hold a NaN or infinity.
  """
  array = _array(given, 'codes')
  if array.dtype != np.float32:
    raise TypeError(
      f'codes are {array.dtype}: expected float32; convert them with '
      'codes.astype("float32")'
    )
  _check_shape(array, (latent,), 'codes')
  if not (finite := np.isfinite(array).all(axis=1)).all():
    raise ValueError(f'codes hold a NaN or infinity in {listed(~finite)}')
  return array


def attributes(
  given: Any, *, rows: int, names: tuple[str, ...], limits: Limits | None
) -> Shaped[np.ndarray, '_rows _attributes'] | None:
  """Returns attributes as float32; None for a model that takes none.

  Args:
    given: numbers or booleans, as an array or as nested lists.
    rows: the number of images or codes.
    names: the attributes that the model is conditional on; () if none.
    limits: of each attribute's values, as `attribute_limits` returns them;
      None if they are not known.

  Raises:
    TypeError: they are not numbers.
    ValueError: they are missing or not wanted, have another shape, hold a NaN
      or infinity, or lie outside the limits.
  """
  if not names:
    if given is not None:
      raise ValueError(
        'this model is not conditional: call it without `attributes`, or '
        'train one with --config.conditional=all'
      )
    return None
  if given is None:
    raise ValueError(
      f'this model is conditional on {len(names)} attributes '
      f'({defects.few(names)}): pass `attributes`, {rows} rows'
    )
  array = _numbers(given)
  if array.shape != (rows, len(names)):
    raise ValueError(
      f'attributes have the shape {array.shape}: this model takes '
      f'({rows}, {len(names)}) here, the columns {", ".join(names)}'
    )
  if not (finite := np.isfinite(array).all(axis=1)).all():
    raise ValueError(f'attributes hold a NaN or infinity in {listed(~finite)}')
  if limits is not None:
    _check_limits(array, names=names, limits=limits)
  return array


def attribute_limits(
  columns: Shaped[np.ndarray, 'images attributes'],
) -> list[list[float]]:
  """Returns which values a model takes that was trained on some attributes.

  Attributes of 0 and 1 may have any value in between. Scores may lie beyond
  the range that was trained on by its width, as those of other images do.

  Returns:
    the least and the greatest value of each column.
  """
  values = np.asarray(columns, np.float32)
  least, most = values.min(axis=0), values.max(axis=0)
  binary = ((values == 0) | (values == 1)).all(axis=0)
  width = np.where(most > least, most - least, np.float32(np.inf))
  bounds = np.where(binary, [[0], [1]], [least - width, most + width])
  # JSON has no infinity.
  return np.nan_to_num(bounds.T.astype(np.float32)).tolist()


def listed(rows: np.ndarray) -> str:
  """Describes which rows are True, as in '2 of 64 rows (3, 17)'."""
  which = [str(row) for row in np.flatnonzero(rows)]
  return defects.summarize(which, len(rows), unit='rows')


def _whole(given: Any) -> Any:
  """Turns a whole number of NumPy or JAX into an int; leaves all else."""
  with contextlib.suppress(TypeError):
    return given if isinstance(given, bool) else operator.index(given)
  return given


def _are_of_pil(given: Sequence[Any]) -> bool:
  return all(isinstance(image, Image.Image) for image in given)


def _fit(image: Image.Image, shape: tuple[int, int, int]) -> np.ndarray:
  # Imported here, as SciPy takes long to import, and few images are of PIL.
  from vaegan_jax.data.images import resizing

  pixels = decoding.to_pixels(image, channels=shape[2])
  return resizing.fit(pixels, shape[:2])


def _array(given: Any, what: str) -> np.ndarray:
  masked = isinstance(given, np.ma.MaskedArray)
  if masked or not isinstance(given, np.ndarray | jax.Array):
    raise TypeError(
      f'{what} are a {type(given).__name__}: expected an array of NumPy or '
      'JAX; stack a list with numpy.stack, convert other containers with '
      'numpy.asarray'
    )
  return np.asarray(given)


def _numbers(given: Any) -> Float32[np.ndarray, '...']:
  if isinstance(given, list | tuple):
    given = np.asarray(given)
  array = _array(given, 'attributes')
  if array.dtype.kind not in 'biuf':
    raise TypeError(f'attributes are {array.dtype}: expected numbers')
  return array.astype(np.float32)


def _check_limits(
  array: np.ndarray, *, names: tuple[str, ...], limits: Limits
) -> None:
  least, most = np.asarray(limits, np.float32).T
  outside = (array < least) | (array > most)
  if not outside.any():
    return
  row, column = np.argwhere(outside)[0].tolist()
  wrong = outside.any(axis=0).sum()
  raise ValueError(
    f'attribute {names[column]} is {array[row, column]:g} in row {row}: '
    f'expected {least[column]:g} to {most[column]:g}, as in training; {wrong} '
    f'of {len(names)} attributes have values out of range. Code them as the '
    'training data do'
  )


def _check_shape(array: np.ndarray, shape: tuple[int, ...], what: str) -> None:
  if array.shape[1:] != shape:
    expected = ', '.join(['N', *map(str, shape)])
    raise ValueError(
      f'{what} have the shape {array.shape}: this model takes [{expected}]'
      f'{_remedy(array.shape, shape, what)}'
    )
  if not len(array):
    raise ValueError(f'no {what}: expected at least one')


def _remedy(given: tuple[int, ...], shape: tuple[int, ...], what: str) -> str:
  """Returns how to turn one shape into another, if that is known."""
  *sides, channels = shape
  if given == shape:
    return f'; add the axis of the batch: {what}[None]'
  if what != 'images':
    return ''
  axis = 'add the axis of the channels: images[..., None]'
  repeat = 'repeat the grey channel: numpy.repeat(images, 3, axis=-1)'
  remedies = {
    (channels, *sides): 'channels come last: numpy.moveaxis(images, -3, -1)',
    tuple(sides): axis if channels == 1 else f'{axis}, and {repeat}',
    (*sides, 4): 'drop the transparency: images[..., :3]',
    (*sides, 1): repeat,
    (*sides, 3): 'average the colours: images.mean(-1, keepdims=True)'
    '.round().astype("uint8")',
  }
  for one in (given[1:], given):
    if one in remedies:
      return f'; {remedies[one]}'
  return '; resize the images'


def _range(array: np.ndarray) -> str:
  if array.dtype.kind not in 'biuf' or not array.size:
    return ''
  return f' from {array.min():.4g} to {array.max():.4g}'


def _conversion(array: np.ndarray) -> str:
  if array.dtype.kind not in 'biuf' or not array.size:
    return ''
  for (least, most), how in _CONVERSIONS:
    if least <= array.min() and array.max() <= most:
      return f'; convert them with {how}'
  return ''
