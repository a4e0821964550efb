"""Inception-v3 as the Fréchet inception distance (FID) wants it.

The network of 2015 whose 2048 features after the last pooling every published
FID is computed in. Its weights are not part of this project: the user brings
pt_inception-2015-12-05-6726825d.pth, which `experiments.convert_inception`
turns into the .npz that `load` reads.

Source: Szegedy et al. (2015); Heusel et al. (2017) for its use; the layers'
names and the three places where it differs from torchvision's network from
pytorch-fid (github.com/mseitzer/pytorch-fid): averages that do not count the
padding, a maximum instead of an average in Mixed_7c, 1008 classes.
"""

from __future__ import annotations

import functools
import hashlib
import pathlib
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from jax import lax
from jaxtyping import Array, Float32, UInt8

from vaegan_jax.data import chunks, npy
from vaegan_jax.evaluation.metrics import quality

SIDE = 299
EPSILON = 1e-3  # of every batch normalisation

_BATCH = 32  # images a call: bounds memory, and one shape is compiled
Weights = dict[str, np.ndarray]

# The variables of a layer, by the names of PyTorch.
_KERNEL = 'conv.weight'
_STATISTICS = ('bn.weight', 'bn.bias', 'bn.running_mean', 'bn.running_var')


def load(path: pathlib.Path, *, sha256: str) -> quality.Extract:
  """Makes the features of a file of weights.

  Args:
    path: an .npz that `experiments.convert_inception` wrote.
    sha256: of that file, as the converter printed it.

  Returns:
    A function of pixels of any size, 1 or 3 colours, to float32 [images,
    2048].

  Raises:
    ValueError: another file, or not the weights of this network.
  """
  content = path.read_bytes()
  digest = hashlib.sha256(content).hexdigest()
  if digest != sha256.lower():
    raise ValueError(
      f'{path} has the SHA-256 {digest}, expected {sha256}: convert the '
      'weights again, or state the sum that the converter printed'
    )
  try:
    return features(npy.load_npz(content))
  except ValueError as error:
    raise ValueError(f'{path}: {error}') from error


def features(weights: Mapping[str, np.ndarray]) -> quality.Extract:
  """Makes the features of weights by PyTorch's names.

  Raises:
    ValueError: a weight is missing or has another shape.
  """
  check(weights)
  variables = {name: jnp.asarray(weights[name]) for name in shapes()}

  def extract(
    pixels: UInt8[np.ndarray, '_images _height _width _colours'],
  ) -> Float32[np.ndarray, '_images features']:
    if pixels.shape[-1] not in (1, 3) or not len(pixels):
      raise ValueError(
        f'pixels of shape {pixels.shape}: expected at least one image of 1 or '
        '3 colours'
      )
    return chunks.apply(
      functools.partial(_features, variables), (pixels,), size=_BATCH
    )

  return extract


def select(tensors: Mapping[str, np.ndarray]) -> Weights:
  """Selects this network's weights, as float32, from those of a file.

  The classifier and the counters of batches are left out.

  Raises:
    ValueError: a weight is missing or has another shape.
  """
  check(tensors)
  return {name: tensors[name].astype(np.float32) for name in shapes()}


def check(weights: Mapping[str, np.ndarray]) -> None:
  """Raises ValueError unless each weight is there in its shape."""
  for name, shape in shapes().items():
    if name not in weights:
      raise ValueError(
        f'no weight {name}: expected the Inception of pytorch-fid, '
        'pt_inception-2015-12-05-6726825d.pth'
      )
    if weights[name].shape != shape:
      raise ValueError(
        f'{name} has the shape {weights[name].shape}, expected {shape}: these '
        'are the weights of another network'
      )


@functools.cache
def shapes() -> dict[str, tuple[int, ...]]:
  """Gives the shape of each weight; kernels are [out, in, height, width]."""
  layers = _Layers()
  image = jax.ShapeDtypeStruct((1, SIDE, SIDE, 3), jnp.float32)
  jax.eval_shape(functools.partial(_network, layers), image)
  return layers.shapes


def network(weights: Mapping[str, Array], images: Array) -> Array:
  """Computes the features [batch, 2048] of images of 299x299 in [-1, 1]."""
  return _network(_Layers(weights), images)


class _Layers:
  """Applies the layers: a convolution, its normalisation, ReLU.

  Without weights it takes zeros, and notes the shape that each must have.
  """

  def __init__(self, weights: Mapping[str, Array] | None = None):
    self.shapes: dict[str, tuple[int, ...]] = {}
    self._weights = weights

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
    """Applies one; all strides but 1 come without padding."""
    height, width = (kernel, kernel) if isinstance(kernel, int) else kernel
    weight = self._get(
      f'{name}.{_KERNEL}', channels, x.shape[-1], height, width
    )
    scale, bias, mean, variance = (
      self._get(f'{name}.{statistic}', channels) for statistic in _STATISTICS
    )
    x = lax.conv_general_dilated(
      x,
      weight,
      (stride, stride),
      padding if stride == 1 else 'VALID',
      dimension_numbers=('NHWC', 'OIHW', 'NHWC'),
    )
    return nn.relu((x - mean) * lax.rsqrt(variance + EPSILON) * scale + bias)

  def chain(self, x: Array, name: str, *layers: tuple) -> Array:
    """Applies several, numbered after the name from 1."""
    for i, (channels, kernel) in enumerate(layers, 1):
      x = self(x, f'{name}_{i}', channels, kernel)
    return x

  def _get(self, name: str, *shape: int) -> Array:
    self.shapes[name] = shape
    return jnp.zeros(shape) if self._weights is None else self._weights[name]


def _network(layer: _Layers, x: Array) -> Array:
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
  # A maximum here alone: an oversight of 2015 that the weights are used to.
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
def _features(weights: Mapping[str, Array], pixels: Array) -> Array:
  colour = jnp.broadcast_to(pixels, (*pixels.shape[:3], 3)).astype(jnp.float32)
  down, right = (_resizing(n) for n in pixels.shape[1:3])
  exact = lax.Precision.HIGHEST
  x = jnp.einsum('yh,nhwc->nywc', down, colour, precision=exact)
  x = jnp.einsum('xw,nywc->nyxc', right, x, precision=exact)
  return network(weights, (x - 128) / 128)


def _resizing(size: int) -> Float32[np.ndarray, 'new old']:
  """Weighs the two pixels on either side of each place of 299.

  As TensorFlow 1 did, in which published distances were computed: places are
  counted from the corner of an image, and nothing is smoothed beforehand.
  """
  places = np.arange(SIDE) * (size / SIDE)
  before = places.astype(int)
  after = np.minimum(before + 1, size - 1)
  weights = np.zeros((SIDE, size))
  rows = np.arange(SIDE)
  np.add.at(weights, (rows, before), 1 - (places - before))
  np.add.at(weights, (rows, after), places - before)
  return weights.astype(np.float32)
