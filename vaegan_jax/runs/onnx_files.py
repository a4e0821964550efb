"""Enc and Dec as ONNX files; onnx is imported only here."""

from __future__ import annotations

import pathlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from vaegan_jax.core import architecture, plain_layers
from vaegan_jax.files import atomic
from vaegan_jax.runs import exports

ENCODER, DECODER = 'encoder.onnx', 'decoder.onnx'
_OPSET = 17


def write(
  folder: pathlib.Path,
  networks: architecture.Networks,
  export: exports.Export,
) -> None:
  """Writes the networks, with a batch of any size, in float32.

  encoder.onnx maps 'images' [N, H, W, C], in [-1, 1], to 'mean' and 'log_var'
  [N, Z]; decoder.onnx maps 'codes' [N, Z] to 'images'. Both also take
  'attributes' [N, A] where the model is conditional. A GAN has no encoder.

  Args:
    folder: made if it is missing.
    networks: Enc and Dec.
    export: their variables.

  Raises:
    ValueError: the folder holds one of the files.
    ImportError: onnx is not installed.
  """
  for name in (ENCODER, DECODER):
    if (folder / name).exists():
      raise ValueError(f'{folder / name} exists already: name another folder')
  files = {DECODER: _decoder(networks, export).file('decoder')}
  if networks.encoder is not None:
    graph = _encoder(networks, networks.encoder, export)
    files[ENCODER] = graph.file('encoder')
  folder.mkdir(parents=True, exist_ok=True)
  for name, content in files.items():
    atomic.write_bytes(folder / name, content)


def _encoder(
  networks: architecture.Networks,
  encoder: architecture.Encoder,
  export: exports.Export,
) -> _Graph:
  shape = networks.decoder.shape
  ends = {}
  for head in ('mean', 'log_var'):
    *maps, dense, ends[head] = plain_layers.encoder(
      encoder, export.variables['encoder'], shape=shape, head=head
    )
  graph = _Graph()
  x = graph.input('images', shape)
  x = graph.add('Transpose', x, perm=[0, 3, 1, 2])
  x = graph.layers(maps, x)
  x = graph.add('Transpose', x, perm=[0, 2, 3, 1])
  x = graph.join(graph.add('Flatten', x), networks.attributes)
  x = graph.layers([dense], x)
  for name, end in ends.items():
    graph.output(graph.layers([end], x), name, (networks.latent,))
  return graph


def _decoder(networks: architecture.Networks, export: exports.Export) -> _Graph:
  decoder = networks.decoder
  dense, *maps = plain_layers.decoder(decoder, export.variables['decoder'])
  graph = _Graph()
  x = graph.join(graph.input('codes', (networks.latent,)), networks.attributes)
  x = graph.layers([dense], x)
  first = graph.constant(np.array([-1, *maps[0].about['input']]))
  x = graph.add('Reshape', x, first)
  x = graph.add('Transpose', x, perm=[0, 3, 1, 2])
  x = graph.layers(maps, x)
  x = graph.add('Transpose', graph.add('Tanh', x), perm=[0, 2, 3, 1])
  graph.output(x, 'images', decoder.shape)
  return graph


class _Graph:
  """Nodes of an ONNX graph; each value has a name."""

  def __init__(self):
    try:
      import onnx
    except ImportError as error:
      raise ImportError(
        "onnx is not installed: pip install 'vaegan_jax[onnx]'"
      ) from error

    self._onnx, self._nodes, self._constants = onnx, [], []
    self._inputs, self._outputs = [], []

  def input(self, name: str, shape: tuple[int, ...]) -> str:
    """Adds an input of any batch size."""
    self._inputs.append(self._described(name, shape))
    return name

  def output(self, value: str, name: str, shape: tuple[int, ...]) -> None:
    """Names a value as an output."""
    self._nodes.append(self._onnx.helper.make_node('Identity', [value], [name]))
    self._outputs.append(self._described(name, shape))

  def constant(self, array: np.ndarray) -> str:
    """Adds a constant; floating-point numbers are stored as float32."""
    dtype = np.int64 if array.dtype.kind == 'i' else np.float32
    name = f'constant_{len(self._constants)}'
    self._constants.append(
      self._onnx.numpy_helper.from_array(array.astype(dtype), name)
    )
    return name

  def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
    """Adds a node, and returns the name of its value."""
    name = f'value_{len(self._nodes)}'
    self._nodes.append(
      self._onnx.helper.make_node(kind, inputs, [name], **attributes)
    )
    return name

  def join(self, x: str, attributes: int) -> str:
    """Appends the attributes of a conditional model to rows."""
    if not attributes:
      return x
    return self.add(
      'Concat', x, self.input('attributes', (attributes,)), axis=1
    )

  def layers(self, layers: Iterable[plain_layers.Layer], x: str) -> str:
    """Adds layers; maps are [N, channels, height, width] here."""
    for layer in layers:
      x = (
        self._dense(layer, x) if layer.kernel.ndim == 2 else self._map(layer, x)
      )
      if layer.about['relu']:
        x = self.add('Relu', x)
    return x

  def _dense(self, layer: plain_layers.Layer, x: str) -> str:
    kernel = self.constant(layer.kernel * layer.scale)
    return self.add('Gemm', x, kernel, self.constant(layer.shift))

  def _map(self, layer: plain_layers.Layer, x: str) -> str:
    stride, size = layer.about['stride'], layer.about['size']
    up = layer.about['up']
    # [small map, large map, height, width]; the scale is of the output.
    scale = layer.scale.reshape((1, -1, 1, 1) if up else (-1, 1, 1, 1))
    kernel = layer.kernel.transpose(3, 2, 0, 1) * scale
    missing = size - stride
    pads = [missing // 2] * 2 + [missing - missing // 2] * 2
    return self.add(
      'ConvTranspose' if up else 'Conv',
      x,
      self.constant(kernel),
      self.constant(layer.shift),
      strides=[stride] * 2,
      pads=pads,
    )

  def file(self, name: str) -> bytes:
    """Returns the file of the graph, checked."""
    helper = self._onnx.helper
    graph = helper.make_graph(
      self._nodes, name, self._inputs, self._outputs, self._constants
    )
    model = helper.make_model(
      graph,
      producer_name='vaegan_jax',
      opset_imports=[helper.make_opsetid('', _OPSET)],
      ir_version=10,
    )
    self._onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString()

  def _described(self, name: str, shape: tuple[int, ...]) -> Any:
    return self._onnx.helper.make_tensor_value_info(
      name, self._onnx.TensorProto.FLOAT, ['N', *shape]
    )
