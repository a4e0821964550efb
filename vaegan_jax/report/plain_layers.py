"""Enc and Dec as lists of plain layers, for programs without JAX.

Each layer is a convolution, or the transpose of one, then a scale and a shift
of each channel, then perhaps a ReLU. Batch normalisation with its running
statistics is a scale and a shift, and a bias is a shift.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import jax
import numpy as np
from flax.typing import VariableDict
from jaxtyping import Float

from vaegan_jax.core import architecture, layers

Shape = tuple[int, int, int]


class Layer(NamedTuple):
  """A layer that a page computes.

  Attributes:
    about: in JSON types, `input` and `output`, each height, width, channels;
      `size` and `stride` of the kernel; `up`, whether it is transposed; `relu`.
      A dense layer is a convolution of size 1 on one pixel.
    kernel: height, width, channels of the large map, of the small map.
    scale: of each channel of the output, or of each unit.
    shift: added after the scale.
  """

  about: dict[str, Any]
  kernel: Float[np.ndarray, '...']
  scale: Float[np.ndarray, ' channels']
  shift: Float[np.ndarray, ' channels']


def encoder(
  network: architecture.Encoder, variables: VariableDict, *, shape: Shape
) -> Iterator[Layer]:
  """Yields the layers from an image in [-1, 1] to its mean code.

  Args:
    network: Enc.
    variables: its parameters and running statistics.
    shape: height, width and channels of the images.
  """
  variables = jax.tree.map(np.asarray, variables)
  params = variables['params']
  for i, channels in enumerate(network.channels, 1):
    output = (shape[0] // 2, shape[1] // 2, channels)
    yield Layer(
      _about(shape, output, stride=2),
      params[f'convolution_{i}']['kernel'],
      *_normalisation(variables, f'normalise_{i}', layers.EPSILON_MAPS),
    )
    shape = output
  yield _dense_relu(variables)
  kernel, bias = params['mean']['kernel'], params['mean']['bias']
  yield Layer(
    _dense_about(kernel, relu=False), kernel, np.ones_like(bias), bias
  )


def decoder(
  network: architecture.Decoder, variables: VariableDict
) -> Iterator[Layer]:
  """Yields the layers from a code to an image before its tanh.

  Args:
    network: Dec.
    variables: its parameters and running statistics.
  """
  variables = jax.tree.map(np.asarray, variables)
  params = variables['params']
  first, *rest = network.channels
  height, width = (n >> len(rest) for n in network.shape[:2])
  shape = (height, width, first)
  yield _dense_relu(variables)
  for i, channels in enumerate(rest, 1):
    output = (shape[0] * 2, shape[1] * 2, channels)
    yield Layer(
      _about(shape, output, stride=2, up=True),
      params[f'convolution_{i}']['kernel'],
      *_normalisation(variables, f'normalise_{i}', layers.EPSILON_MAPS),
    )
    shape = output
  kernel, bias = params['colours']['kernel'], params['colours']['bias']
  about = _about(shape, network.shape, relu=False)
  yield Layer(about, kernel, np.ones_like(bias), bias)


def _about(
  inputs: Shape,
  outputs: Shape,
  *,
  size: int = layers.KERNEL,
  stride: int = 1,
  up: bool = False,
  relu: bool = True,
) -> dict[str, Any]:
  return {
    'input': list(inputs),
    'output': list(outputs),
    'size': size,
    'stride': stride,
    'up': up,
    'relu': relu,
  }


def _dense_relu(variables: VariableDict) -> Layer:
  kernel = variables['params']['dense']['kernel']
  return Layer(
    _dense_about(kernel, relu=True),
    kernel,
    *_normalisation(variables, 'normalise_dense', layers.EPSILON_DENSE),
  )


def _dense_about(kernel: np.ndarray, *, relu: bool) -> dict[str, Any]:
  inputs, outputs = kernel.shape
  return _about((1, 1, inputs), (1, 1, outputs), size=1, relu=relu)


def _normalisation(
  variables: VariableDict, name: str, epsilon: float
) -> tuple[np.ndarray, np.ndarray]:
  """Returns the scale and the shift that a batch normalisation comes to."""
  params, stats = (
    {
      key: np.asarray(x, np.float64)
      for key, x in variables[collection][name]['batch_norm'].items()
    }
    for collection in ('params', 'batch_stats')
  )
  scale = params['scale'] / np.sqrt(stats['var'] + epsilon)
  return scale, params['bias'] - scale * stats['mean']
