"""A trained model: encode, decode, reconstruct, sample.

Networks compute in float32, whatever config.dtype they were trained in, so that
the measures of two runs differ only by their training.
"""

from __future__ import annotations

import functools
import hashlib
import os
import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import jax
import numpy as np
from jaxtyping import Array, Float, Float32, Shaped, UInt8

from vaegan_jax.config import build
from vaegan_jax.core import architecture, augmentation
from vaegan_jax.data import chunks
from vaegan_jax.files import paths
from vaegan_jax.runs import checkpoints, config_file

_BATCH = 64  # images per call: bounds memory, and one shape is compiled

Pixels: TypeAlias = UInt8[np.ndarray, 'batch height width channels']
Codes: TypeAlias = Float32[np.ndarray, 'batch latent']
Attributes: TypeAlias = Shaped[np.ndarray, 'batch attributes'] | None
Variables: TypeAlias = Mapping[str, Any]  # Flax's collections

_COLLECTIONS = ('params', 'batch_stats')


class Model:
  """Networks with their trained variables.

  A conditional model takes `attributes` in every call: a row for each image or
  code, with the columns of `attribute_names`. Other models take none.

  Attributes:
    step: the training step of the variables.
    image_shape: height, width, channels.
    latent_size: the length of a code.
    encodes: whether the model has an encoder; a GAN has none.
    attribute_names: the attributes that the model is conditional on, or ().
  """

  def __init__(
    self,
    networks: architecture.Networks,
    variables: Mapping[str, Variables],
    *,
    step: int = 0,
    attribute_names: tuple[str, ...] = (),
  ):
    self.step = step
    self.image_shape = networks.decoder.shape
    self.latent_size = networks.latent
    self.encodes = networks.encoder is not None
    self.attribute_names = attribute_names
    self._networks, self._variables = networks, variables

  def posterior(
    self, images: Pixels, attributes: Attributes = None
  ) -> tuple[Codes, Codes]:
    """Computes the mean and log variance of q(z|x).

    Args:
      images: pixels, 0..255.
      attributes: the images' attributes, for a conditional model.

    Raises:
      TypeError, ValueError: the arguments have another type or shape than this
        model takes, or the model is a GAN.
    """
    if not self.encodes:
      raise ValueError(
        'this model is a GAN and has no encoder: it can sample and decode; '
        'take a vae, vae_dis or vaegan to encode or reconstruct'
      )
    _check(images, np.uint8, self.image_shape, 'images')
    encode = functools.partial(
      _encode, self._networks.encoder, self._variables['encoder']
    )
    return self._apply(encode, images, attributes)

  def encode(self, images: Pixels, attributes: Attributes = None) -> Codes:
    """Computes the mean code of each image, without noise."""
    return self.posterior(images, attributes)[0]

  def decode(self, codes: Codes, attributes: Attributes = None) -> Pixels:
    """Decodes each code to an image.

    Raises:
      TypeError, ValueError: codes are not float32 of this model's size.
    """
    _check(codes, np.float32, (self.latent_size,), 'codes')
    decode = functools.partial(
      _decode, self._networks.decoder, self._variables['decoder']
    )
    return self._apply(decode, codes, attributes)

  def reconstruct(
    self, images: Pixels, attributes: Attributes = None
  ) -> Pixels:
    """Computes x_tilde: encodes images to their mean codes and decodes them."""
    return self.decode(self.encode(images, attributes), attributes)

  def sample(
    self, n: int, attributes: Attributes = None, *, seed: int = 0
  ) -> Pixels:
    """Samples n images x_p: decodes codes drawn from the prior N(0, I)."""
    return self.decode(self.sample_prior(n, seed=seed), attributes)

  def sample_prior(self, n: int, *, seed: int = 0) -> Codes:
    """Draws n codes from the prior; the first k are the same for any n >= k."""
    if n < 1:
      raise ValueError(f'n = {n} samples: expected at least 1')
    key, shape = jax.random.key(seed), (self.latent_size,)
    keys = jax.vmap(jax.random.fold_in, (None, 0))(key, np.arange(n))
    return np.asarray(jax.vmap(lambda k: jax.random.normal(k, shape))(keys))

  def prior(self, n: int, *, seed: int = 0) -> Codes:
    """Draws codes from the prior; the former name of `sample_prior`."""
    warnings.warn(
      'Model.prior is Model.sample_prior now',
      DeprecationWarning,
      stacklevel=2,
    )
    return self.sample_prior(n, seed=seed)

  def digest(self) -> str:
    """Computes the SHA-256 of all variables, in hexadecimal."""
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(self._variables):
      digest.update(jax.tree_util.keystr(path).encode())
      digest.update(np.ascontiguousarray(leaf).tobytes())
    return digest.hexdigest()

  def _apply(
    self, function: Callable, rows: np.ndarray, attributes: Attributes
  ) -> Any:
    """Applies a function to rows and their attributes, batch by batch."""
    arrays = (rows, *self._condition(attributes, len(rows)))
    return chunks.apply(function, arrays, size=_BATCH)

  def _condition(self, attributes: Attributes, count: int) -> tuple:
    """Checks attributes and returns them as arguments of a network."""
    names = self.attribute_names
    if not names and attributes is not None:
      raise ValueError(
        'this model is not conditional: call it without `attributes`, or '
        'train one with --config.conditional=all'
      )
    if not names:
      return ()
    if attributes is None:
      raise ValueError(
        f'this model is conditional on {len(names)} attributes '
        f'({", ".join(names[:3])}, ...): pass `attributes`, {count} rows'
      )
    rows = np.asarray(attributes, np.float32)
    if rows.shape != (count, len(names)) or not np.isfinite(rows).all():
      raise ValueError(
        f'attributes have the shape {rows.shape}: this model takes finite '
        f'numbers ({count}, {len(names)}) here, the columns {", ".join(names)}'
      )
    return (rows,)


def load(workdir: str | os.PathLike) -> Model:
  """Loads the model of a run's newest checkpoint.

  Args:
    workdir: the run's folder.

  Raises:
    FileNotFoundError: the folder holds no run, or no checkpoint yet.
    ValueError: the path is none of this machine.
  """
  workdir = paths.absolute(workdir, name='workdir')
  config = config_file.read(workdir)
  step, state = checkpoints.load(workdir)
  variables = {
    # The averaged variables if there are any, else those of the last step.
    name: saved.get('average') or {x: saved[x] for x in _COLLECTIONS}
    for name, saved in state['networks'].items()
  }
  names = build.conditional(config)
  networks = build.networks(config)
  return Model(networks, variables, step=step, attribute_names=names)


# Modules are hashable, so models of equal networks share compiled programs.


@functools.partial(jax.jit, static_argnums=0)
def _encode(
  encoder: architecture.Encoder,
  variables: Variables,
  pixels: UInt8[Array, 'batch height width channels'],
  *condition: Float[Array, 'batch attributes'],
) -> tuple[Float[Array, 'batch latent'], Float[Array, 'batch latent']]:
  images = augmentation.to_images(pixels)
  posterior: Any = encoder.apply(variables, images, *condition, train=False)
  return posterior


@functools.partial(jax.jit, static_argnums=0)
def _decode(
  decoder: architecture.Decoder,
  variables: Variables,
  codes: Float[Array, 'batch latent'],
  *condition: Float[Array, 'batch attributes'],
) -> UInt8[Array, 'batch height width channels']:
  images: Any = decoder.apply(variables, codes, *condition, train=False)
  return augmentation.to_pixels(images)


def _check(given: Any, dtype: type, shape: tuple[int, ...], what: str) -> None:
  if not isinstance(given, np.ndarray | jax.Array):
    kind = type(given).__name__
    raise TypeError(f'{what} are a {kind}: stack a list with numpy.stack')
  if given.dtype != dtype:
    unit = ' pixels, 0..255' if dtype == np.uint8 else ''
    raise TypeError(
      f'{what} are {given.dtype}: expected {np.dtype(dtype)}{unit}'
    )
  if given.ndim != len(shape) + 1 or given.shape[1:] != shape:
    expected = ', '.join(['N', *map(str, shape)])
    raise ValueError(
      f'{what} have the shape {given.shape}: this model takes [{expected}]'
    )
  if not len(given):
    raise ValueError(f'no {what}: expected at least one')
