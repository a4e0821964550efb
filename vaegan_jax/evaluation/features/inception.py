"""Inception-v3 as the Fréchet inception distance (FID) uses it.

Published FIDs are computed in the 2048 features after the last pooling of this
network of 2015. Its weights are not part of this project: the user downloads
pt_inception-2015-12-05-6726825d.pth, and `experiments.convert_inception` turns
it into the safetensors file that `load` reads.

Source: Szegedy et al. (2015); Heusel et al. (2017) for the FID; pytorch-fid
(github.com/mseitzer/pytorch-fid) for the names of the layers and the three
differences from torchvision's network: averages do not count the padding,
Mixed_7c takes a maximum instead of an average, and there are 1008 classes.
"""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import lax
from jaxtyping import Array, Float, Float32

from vaegan_jax.data import chunks
from vaegan_jax.evaluation import features
from vaegan_jax.files import checksums, weights

SIDE = 299
EPSILON = 1e-3  # of every batch normalisation
ABOUT = {'network': 'Inception-v3 of 2015-12-05'}

_BATCH = 32  # images per call: bounds memory, and one shape is compiled

# The variables of a layer, by PyTorch's names.
_KERNEL = 'conv.weight'
_NORMALISATION = ('bn.weight', 'bn.bias', 'bn.running_mean', 'bn.running_var')

_Images = Float[Array, 'batch _height _width _channels']


def load(path: pathlib.Path, *, sha256: str) -> features.Extract:
  """Loads the feature extractor from a file of weights.

  Args:
    path: a file that `experiments.convert_inception` wrote.
    sha256: the SHA-256 of that file, as the converter printed it.

  Returns:
    A function of pixels of any size with 1 or 3 channels to float32 [images,
    2048].

  Raises:
    ValueError: the file is another one, or does not hold these weights.
  """
  digest = checksums.file_digest(path)
  if digest != sha256.lower():
    raise ValueError(
      f'{path} has the SHA-256 {digest}, expected {sha256}: convert the '
      'weights again, or pass the sum that the converter printed'
    )
  return extractor(weights.read(path, about=ABOUT))


def extractor(found: Mapping[str, np.ndarray]) -> features.Extract:
  """Makes the feature extractor from weights by PyTorch's names.

  Raises:
    ValueError: a weight is missing or has another shape.
  """
  variables = {name: jnp.asarray(x) for name, x in select(found).items()}

  def extract(pixels: features.Pixels) -> features.Features:
    if pixels.shape[-1] not in (1, 3) or not len(pixels):
      raise ValueError(
        f'pixels of shape {pixels.shape}: expected at least one image of 1 or '
        '3 channels'
      )
    apply = functools.partial(_features, variables)
    return chunks.apply(apply, (pixels,), size=_BATCH)

  return extract


def select(found: Mapping[str, np.ndarray]) -> weights.Weights:
  """Selects the weights of this network, as float32.

  Leaves out the classifier and the batch counters of PyTorch's file.

  Raises:
    ValueError: a weight is missing or has another shape.
  """
  for name, shape in shapes().items():
    if name not in found:
      raise ValueError(
        f'no weight {name}: expected the Inception of pytorch-fid, '
        'pt_inception-2015-12-05-6726825d.pth'
      )
    if found[name].shape != shape:
      raise ValueError(
        f'{name} has the shape {found[name].shape}, expected {shape}: these '
        'are the weights of another network'
      )
  return {name: found[name].astype(np.float32) for name in shapes()}


@functools.cache
def shapes() -> dict[str, tuple[int, ...]]:
  """Returns the shape of each weight; kernels are [out, in, height, width]."""
  layers = _Layers()
  image = jax.ShapeDtypeStruct((1, SIDE, SIDE, 3), jnp.float32)
  jax.eval_shape(functools.partial(_network, layers), image)
  return layers.shapes


class _Layers:
  """Applies layers: a convolution, its normalisation, a ReLU.

  Without variables it uses zeros. It records the shape of each variable.
  """

  def __init__(self, variables: Mapping[str, Array] | None = None):
    self.shapes: dict[str, tuple[int, ...]] = {}
    self._variables = variables

  def __call__(
    self,
    x: Array,
    name: str,
    channels: int,
    kernel: int | tuple[int, int],
    *,
    stride: int = 1,
    padding: str = 'SAME',
  ) -> Array:
    """Applies one layer; strides above 1 use no padding."""
    sides = (kernel, kernel) if isinstance(kernel, int) else kernel
    x = lax.conv_general_dilated(
      x,
      self._get(f'{name}.{_KERNEL}', channels, x.shape[-1], *sides),
      (stride, stride),
      padding if stride == 1 else 'VALID',
      dimension_numbers=('NHWC', 'OIHW', 'NHWC'),
    )
    scale, bias, mean, variance = (
      self._get(f'{name}.{part}', channels) for part in _NORMALISATION
    )
    return nn.relu((x - mean) * lax.rsqrt(variance + EPSILON) * scale + bias)

  def chain(self, x: Array, name: str, *layers: tuple) -> Array:
    """Applies several layers, numbered from 1 behind the name."""
    for i, (channels, kernel) in enumerate(layers, 1):
      x = self(x, f'{name}_{i}', channels, kernel)
    return x

  def _get(self, name: str, *shape: int) -> Array:
    self.shapes[name] = shape
    return (
      jnp.zeros(shape) if self._variables is None else self._variables[name]
    )


def _network(layer: _Layers, x: _Images) -> Float[Array, 'batch features']:
  """Computes the 2048 features of images of 299x299 in [-1, 1]."""
  x = layer(x, 'Conv2d_1a_3x3', 32, 3, stride=2)
  x = layer(x, 'Conv2d_2a_3x3', 32, 3, padding='VALID')
  x = layer(x, 'Conv2d_2b_3x3', 64, 3)
  x = _reduce(x)
  x = layer(x, 'Conv2d_3b_1x1', 80, 1)
  x = layer(x, 'Conv2d_4a_3x3', 192, 3, padding='VALID')
  x = _reduce(x)
  for name, pooled in (('5b', 32), ('5c', 64), ('5d', 64)):
    x = _mixed_5(layer, x, f'Mixed_{name}', pooled)
  x = _mixed_6a(layer, x, 'Mixed_6a')
  for name, channels in (('6b', 128), ('6c', 160), ('6d', 160), ('6e', 192)):
    x = _mixed_6(layer, x, f'Mixed_{name}', channels)
  x = _mixed_7a(layer, x, 'Mixed_7a')
  x = _mixed_7(layer, x, 'Mixed_7b', _average)
  # Only this block takes a maximum, likely an oversight of 2015 (pytorch-fid).
  x = _mixed_7(layer, x, 'Mixed_7c', _maximum)
  return x.mean(axis=(1, 2))


def _mixed_5(layer: _Layers, x: Array, name: str, pooled: int) -> Array:
  double = f'{name}.branch3x3dbl'
  return _join(
    layer(x, f'{name}.branch1x1', 64, 1),
    layer.chain(x, f'{name}.branch5x5', (48, 1), (64, 5)),
    layer.chain(x, double, (64, 1), (96, 3), (96, 3)),
    layer(_average(x), f'{name}.branch_pool', pooled, 1),
  )


def _mixed_6a(layer: _Layers, x: Array, name: str) -> Array:
  double = layer.chain(x, f'{name}.branch3x3dbl', (64, 1), (96, 3))
  return _join(
    layer(x, f'{name}.branch3x3', 384, 3, stride=2),
    layer(double, f'{name}.branch3x3dbl_3', 96, 3, stride=2),
    _reduce(x),
  )


def _mixed_6(layer: _Layers, x: Array, name: str, c: int) -> Array:
  row, column = (1, 7), (7, 1)
  double = ((c, 1), (c, column), (c, row), (c, column), (192, row))
  return _join(
    layer(x, f'{name}.branch1x1', 192, 1),
    layer.chain(x, f'{name}.branch7x7', (c, 1), (c, row), (192, column)),
    layer.chain(x, f'{name}.branch7x7dbl', *double),
    layer(_average(x), f'{name}.branch_pool', 192, 1),
  )


def _mixed_7a(layer: _Layers, x: Array, name: str) -> Array:
  sevens = ((192, 1), (192, (1, 7)), (192, (7, 1)))
  single = layer(x, f'{name}.branch3x3_1', 192, 1)
  double = layer.chain(x, f'{name}.branch7x7x3', *sevens)
  return _join(
    layer(single, f'{name}.branch3x3_2', 320, 3, stride=2),
    layer(double, f'{name}.branch7x7x3_4', 192, 3, stride=2),
    _reduce(x),
  )


def _mixed_7(
  layer: _Layers, x: Array, name: str, pool: Callable[[Array], Array]
) -> Array:
  single = layer(x, f'{name}.branch3x3_1', 384, 1)
  double = layer.chain(x, f'{name}.branch3x3dbl', (448, 1), (384, 3))
  return _join(
    layer(x, f'{name}.branch1x1', 320, 1),
    layer(single, f'{name}.branch3x3_2a', 384, (1, 3)),
    layer(single, f'{name}.branch3x3_2b', 384, (3, 1)),
    layer(double, f'{name}.branch3x3dbl_3a', 384, (1, 3)),
    layer(double, f'{name}.branch3x3dbl_3b', 384, (3, 1)),
    layer(pool(x), f'{name}.branch_pool', 192, 1),
  )


def _join(*branches: Array) -> Array:
  return jnp.concatenate(branches, axis=-1)


def _reduce(x: Array) -> Array:
  return nn.max_pool(x, (3, 3), (2, 2))


def _maximum(x: Array) -> Array:
  return nn.max_pool(x, (3, 3), padding='SAME')


def _average(x: Array) -> Array:
  return nn.avg_pool(x, (3, 3), padding='SAME', count_include_pad=False)


@jax.jit
def _features(
  variables: Mapping[str, Array], pixels: Array
) -> Float[Array, 'batch features']:
  colour = jnp.broadcast_to(pixels, (*pixels.shape[:3], 3)).astype(jnp.float32)
  down, right = (_resize_matrix(n) for n in pixels.shape[1:3])
  exact = lax.Precision.HIGHEST
  x = jnp.einsum('yh,nhwc->nywc', down, colour, precision=exact)
  x = jnp.einsum('xw,nywc->nyxc', right, x, precision=exact)
  return _network(_Layers(variables), (x - 128) / 128)


def _resize_matrix(size: int) -> Float32[np.ndarray, 'new old']:
  """Builds the matrix that resizes one axis to 299 pixels.

  It interpolates as TensorFlow 1 did for the published distances: between two
  pixels, with positions counted from the corner, without smoothing.
  """
  positions = np.arange(SIDE) * (size / SIDE)
  before = positions.astype(int)
  after = np.minimum(before + 1, size - 1)
  matrix = np.zeros((SIDE, size))
  rows = np.arange(SIDE)
  np.add.at(matrix, (rows, before), 1 - (positions - before))
  np.add.at(matrix, (rows, after), positions - before)
  return matrix.astype(np.float32)
