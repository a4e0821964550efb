"""A trained model for a user: encode, decode, reconstruct, sample.

Networks are evaluated in float32, whatever config.dtype they were trained in,
so that measures of two runs differ by their training alone.
"""

from __future__ import annotations

import functools
import hashlib
import os
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float32, Shaped, UInt8

from vaegan_jax.config import build
from vaegan_jax.core import architecture, augmentation, train_state
from vaegan_jax.data import chunks
from vaegan_jax.runs import checkpoints, config_file

# Images a call of a network: bounds memory, and one shape is compiled once.
_BATCH = 64

Pixels = UInt8[np.ndarray, 'batch height width colours']
Codes = Float32[np.ndarray, 'batch latent']
Attributes = Shaped[np.ndarray, 'batch attributes']


class Model:
  """Networks with the variables to evaluate them with.

  A conditional model takes `attributes` with everything it is given, a row an
  image or code in the order of `attribute_names`; another model takes none.

  Attributes:
    step: the training step they come from.
    image_shape: height, width, colours.
    latent_size: numbers in a code.
    encodes: whether there is an encoder; a GAN has none.
    attribute_names: of what the model is conditional on; () if it is not.
  """

  def __init__(
    self,
    networks: architecture.Networks,
    variables: Mapping[str, Mapping[str, Any]],
    *,
    step: int = 0,
    attribute_names: tuple[str, ...] = (),
  ):
    self.step = step
    self.image_shape = networks.decoder.shape
    self.latent_size = networks.latent
    self.encodes = networks.encoder is not None
    self.attribute_names = attribute_names
    self._variables = variables
    self._networks = networks

  def posterior(
    self, images: Pixels, attributes: Attributes | None = None
  ) -> tuple[Codes, Codes]:
    """Computes the mean and log variance of q(z|x).

    Args:
      images: pixels, 0..255.
      attributes: of the images, for a conditional model.

    Raises:
      TypeError, ValueError: if they are not of this model's kind, or the model
        is a GAN.
    """
    if not self.encodes:
      raise ValueError(
        'this model is a GAN and has no encoder: it samples, and decodes '
        'codes; take a vae, vae_dis or vaegan to encode or reconstruct'
      )
    _check(images, np.uint8, self.image_shape, 'images')
    return chunks.apply(
      functools.partial(
        _encode, self._networks.encoder, self._variables['encoder']
      ),
      (images, *self._condition(attributes, len(images))),
      size=_BATCH,
    )

  def encode(
    self, images: Pixels, attributes: Attributes | None = None
  ) -> Codes:
    """Computes the mean code of each image, which has no noise."""
    return self.posterior(images, attributes)[0]

  def decode(
    self, codes: Codes, attributes: Attributes | None = None
  ) -> Pixels:
    """Makes an image of each code.

    Raises:
      TypeError, ValueError: if they are not float32 of this model's size.
    """
    _check(codes, np.float32, (self.latent_size,), 'codes')
    return chunks.apply(
      functools.partial(
        _decode, self._networks.decoder, self._variables['decoder']
      ),
      (codes, *self._condition(attributes, len(codes))),
      size=_BATCH,
    )

  def reconstruct(
    self, images: Pixels, attributes: Attributes | None = None
  ) -> Pixels:
    """Makes x_tilde: encodes images to their mean codes, and decodes these."""
    return self.decode(self.encode(images, attributes), attributes)

  def sample(
    self, n: int, attributes: Attributes | None = None, *, seed: int = 0
  ) -> Pixels:
    """Makes n images x_p from codes drawn from the prior N(0, I)."""
    return self.decode(self.prior(n, seed=seed), attributes)

  def prior(self, n: int, *, seed: int = 0) -> Codes:
    """Draws n codes from the prior; the first are the same for any n."""
    if n < 1:
      raise ValueError(f'{n} samples asked for: expected at least 1')
    draw = jax.vmap(lambda key: jax.random.normal(key, (self.latent_size,)))
    keys = jax.vmap(jax.random.fold_in, (None, 0))(
      jax.random.key(seed), np.arange(n)
    )
    return np.asarray(draw(keys))

  def digest(self) -> str:
    """Computes the sha256 of all variables, in hexadecimal."""
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(self._variables):
      digest.update(jax.tree_util.keystr(path).encode())
      digest.update(np.ascontiguousarray(leaf).tobytes())
    return digest.hexdigest()

  def _condition(
    self, attributes: Attributes | None, count: int
  ) -> tuple[np.ndarray, ...]:
    """Checks the attributes, and gives them as arguments of a network."""
    names = self.attribute_names
    if attributes is None and not names:
      return ()
    if attributes is None:
      raise ValueError(
        f'this model is conditional on {len(names)} attributes '
        f'({", ".join(names[:3])}, ...): give `attributes`, a row of them for '
        f'each of the {count} images'
      )
    if not names:
      raise ValueError(
        'this model is not conditional: call it without `attributes`, or '
        'train one with --config.conditional=all'
      )
    rows = np.asarray(attributes, np.float32)
    if rows.shape != (count, len(names)) or not np.isfinite(rows).all():
      raise ValueError(
        f'attributes have the shape {rows.shape}: this model takes finite '
        f'numbers ({count}, {len(names)}) here, the columns {", ".join(names)}'
      )
    return (rows,)


def load(workdir: str | os.PathLike) -> Model:
  """Loads the newest checkpoint of a run.

  Args:
    workdir: the run's folder.

  Raises:
    FileNotFoundError: if it holds no run, or no checkpoint yet.
  """
  workdir = pathlib.Path(workdir)
  config = config_file.read(workdir)
  networks = build.networks(config)
  step, state = checkpoints.load(workdir)
  variables = {
    name: train_state.NetworkState(**network).evaluated()
    for name, network in state['networks'].items()
  }
  return Model(
    networks,
    variables,
    step=step,
    attribute_names=build.conditional(config),
  )


# Modules are hashable, so models of equal networks share what is compiled.


@functools.partial(jax.jit, static_argnums=0)
def _encode(
  encoder: architecture.Encoder,
  variables: Any,
  pixels: Array,
  *condition: Array,
) -> Any:
  images = augmentation.to_images(pixels)
  return encoder.apply(variables, images, *condition, train=False)


@functools.partial(jax.jit, static_argnums=0)
def _decode(
  decoder: architecture.Decoder, variables: Any, codes: Array, *condition: Array
) -> Array:
  images: Any = decoder.apply(variables, codes, *condition, train=False)
  return augmentation.to_pixels(images)


def _check(given: Any, dtype: type, shape: tuple[int, ...], what: str) -> None:
  if not isinstance(given, np.ndarray | jax.Array):
    raise TypeError(
      f'{what} are a {type(given).__name__}: expected one array of {what}; '
      'stack a list with numpy.stack'
    )
  if given.dtype != dtype:
    raise TypeError(
      f'{what} are {given.dtype}: expected {np.dtype(dtype)}'
      + (' pixels, 0..255' if dtype == np.uint8 else '')
    )
  if given.ndim != len(shape) + 1 or given.shape[1:] != shape:
    expected = ', '.join(['N', *map(str, shape)])
    raise ValueError(
      f'{what} have the shape {given.shape}: this model takes [{expected}]'
    )
  if not len(given):
    raise ValueError(f'no {what} given: expected at least one')
