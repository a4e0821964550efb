"""The Explore page: a model in one HTML file, computed where the file lies.

The page holds the kernels of Enc and Dec in float16, what batch normalisation
and biases come to in float32, and what is known of the codes. Its scripts lie
in templates/: kernel.js and networks.js compute Enc and Dec in a worker; in the
page are codes.js, sliders.js, crop.js and explore.js.
"""

from __future__ import annotations

import base64
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from vaegan_jax import inference
from vaegan_jax.core import gaussian, plain_layers
from vaegan_jax.data import cache
from vaegan_jax.report import page, titles

# Weights that a page holds, in bytes of float16; base64 takes a third more.
LIMIT = 64 << 20
NAME = 'explore.html'
_IMAGES = 24  # held-out images
_DIRECTIONS = 12  # sliders
_WIDEST = 10.0  # of the slider of an attribute that may have any value

# Limits beyond this stand for none (`arguments.attribute_limits`).
_ANY = 1e30

# In JSON types.
Content = dict[str, Any]


def path_in(folder: pathlib.Path) -> pathlib.Path:
  """Returns the path of the page of a run or a model, written or not."""
  return folder / NAME


def write(
  path: pathlib.Path,
  model: inference.Model,
  settings: Mapping[str, Any],
  *,
  held_out: cache.Dataset | None,
  limit: int = LIMIT,
) -> pathlib.Path:
  """Writes the page of a model, or one that says that the model is too large.

  Args:
    path: the file, which is replaced if it exists.
    model: with its fitted prior and its attribute vectors, if they are known.
    settings: of its run, by dotted name.
    held_out: images to start from, with the attributes of a conditional model;
      the page holds the first ones. See `shows_images`.
    limit: bytes of weights that a page may hold.

  Returns:
    `path`.
  """
  size = sum(2 * kernel.size for kernel in _kernels(model))
  shown = None
  if held_out is not None and model.encodes:
    shown = held_out.first(_IMAGES)
  text = page.render(
    'explore.html.jinja',
    title=titles.of(settings),
    content=_content(model, shown) if size <= limit else None,
    drawn=_is_drawn(settings),
    shows=shown is not None,
    model=model,
    size=size,
    limit=limit,
  )
  return page.write(path, text)


def shows_images(settings: Mapping[str, Any], *, shared: bool) -> bool:
  """Returns whether a page may hold held-out images.

  They may be private, so the page of an exported model, which is made to be
  shared, holds none but those that the package draws.
  """
  return not shared or _is_drawn(settings)


def _is_drawn(settings: Mapping[str, Any]) -> bool:
  return settings['data.source'] == 'faces'


def _kernels(model: inference.Model) -> Iterator[np.ndarray]:
  """Yields the kernels of Enc and Dec."""
  for _, network in _networks(model):
    yield from (layer.kernel for layer in network)


def _networks(
  model: inference.Model,
) -> Iterator[tuple[str, Iterator[plain_layers.Layer]]]:
  if model.networks.encoder is not None:
    yield (
      'encoder',
      plain_layers.encoder(
        model.networks.encoder,
        model.variables['encoder'],
        shape=model.image_shape,
      ),
    )
  yield (
    'decoder',
    plain_layers.decoder(model.networks.decoder, model.variables['decoder']),
  )


class _Numbers:
  """Arrays of one dtype, one after the other."""

  def __init__(self, dtype: type):
    self._dtype, self._length = dtype, 0
    self._parts: list[np.ndarray] = []

  def add(self, array: np.ndarray) -> int:
    """Appends an array, and returns where it begins."""
    start = self._length
    self._parts.append(np.asarray(array, self._dtype).ravel())
    self._length += self._parts[-1].size
    return start

  def text(self) -> str:
    """Returns the bytes, little-endian, in base64."""
    parts = [part.astype(part.dtype.newbyteorder('<')) for part in self._parts]
    return _base64(b''.join(part.tobytes() for part in parts))


def _base64(content: bytes) -> str:
  return base64.b64encode(content).decode()


def _content(model: inference.Model, shown: cache.Dataset | None) -> Content:
  """Returns the networks and what is known of the codes."""
  weights, numbers = _Numbers(np.float16), _Numbers(np.float32)
  described = {
    name: [
      {
        **layer.about,
        'kernel': weights.add(layer.kernel),
        'scale': numbers.add(layer.scale),
        'shift': numbers.add(layer.shift),
      }
      for layer in network
    ]
    for name, network in _networks(model)
  }
  prior = model.fitted_prior
  return {
    'shape': list(model.image_shape),
    'latent': model.latent_size,
    'layers': described,
    'prior': None if prior is None else _prior(prior, numbers),
    'vectors': [
      {'name': name, 'at': numbers.add(vector)}
      for name, vector in model.attribute_vectors.items()
    ],
    'conditions': _conditions(model, shown),
    'images': None if shown is None else _images(shown, numbers),
    'weights': weights.text(),
    'numbers': numbers.text(),
  }


def _prior(prior: gaussian.Gaussian, numbers: _Numbers) -> Content:
  """Returns the mean, and the principal axes, each a standard deviation long.

  The mean plus standard normal multiples of the axes has the distribution of
  the prior, so that one matrix serves sliders and samples.
  """
  variances, axes = np.linalg.eigh(prior.covariance)
  order = np.argsort(-variances, kind='stable')
  variances, axes = variances[order].clip(0), axes[:, order].T
  # An eigenvector has no sign: its largest component is positive.
  largest = np.abs(axes).argmax(axis=1)
  axes = axes * np.sign(axes[np.arange(len(axes)), largest])[:, None]
  shares = variances / variances.sum()
  return {
    'mean': numbers.add(prior.mean),
    'axes': numbers.add(axes * np.sqrt(variances)[:, None]),
    'shares': [round(share, 4) for share in shares[:_DIRECTIONS].tolist()],
  }


def _images(shown: cache.Dataset, numbers: _Numbers) -> Content:
  rows = shown.attributes
  return {
    'count': len(shown.images),
    'pixels': _base64(shown.images.tobytes()),
    'conditions': numbers.add(np.zeros(0) if rows is None else rows),
  }


def _conditions(
  model: inference.Model, shown: cache.Dataset | None
) -> list[Content]:
  """Returns the attributes that the networks take, and their sliders' ends."""
  names = model.attribute_names
  limits = np.array(model.attribute_limits or [[0, 1]] * len(names), np.float64)
  limits = limits.reshape(-1, 2)
  least, most = np.where(abs(limits) < _ANY, limits, [-_WIDEST, _WIDEST]).T
  if shown is not None and names:
    rows = np.asarray(shown.attributes, np.float64)
    least = np.minimum(least, rows.min(axis=0))
    most = np.maximum(most, rows.max(axis=0))
  return [
    {'name': name, 'least': a, 'most': b}
    for name, a, b in zip(names, least.tolist(), most.tolist(), strict=True)
  ]
