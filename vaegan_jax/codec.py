"""Trained networks as maps between images and codes.

Networks compute in float32, whatever config.dtype they were trained in, so that
the measures of two runs differ only by their training.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from flax.typing import VariableDict
from jaxtyping import (
  Array,
  Bool,
  Float,
  Float32,
  PRNGKeyArray,
  Shaped,
  UInt8,
  UInt32,
)
from PIL import Image

from vaegan_jax import arguments
from vaegan_jax.config import build
from vaegan_jax.core import architecture, augmentation, losses
from vaegan_jax.data import chunks
from vaegan_jax.runs import exports

BATCH = 64  # images per call: bounds memory, and one shape is compiled

# A batch, or one image; images of PIL are cropped and resized.
Images: TypeAlias = (
  UInt8[np.ndarray | Array, '*batch height width channels']
  | Image.Image
  | Sequence[Image.Image]
)
Pixels: TypeAlias = arguments.Pixels
Codes: TypeAlias = arguments.Codes
Attributes: TypeAlias = (
  Shaped[np.ndarray | Array, 'batch attributes'] | Sequence | None
)
_Bytes: TypeAlias = UInt8[Array, 'batch height width channels']
_Finite: TypeAlias = Bool[Array, ' batch']


class Codec:
  """Networks with their trained variables.

  A single image is a batch of one. A conditional model takes `attributes` in
  every call: a row for each image or code, with the columns of
  `attribute_names`. Other models take none.

  Attributes:
    step: the training step of the variables.
    image_shape: height, width, channels.
    latent_size: the length of a code.
    encodes: whether the model has an encoder; a GAN has none.
    attribute_names: the attributes that the model is conditional on, or ().
    attribute_limits: of each of them, the least and the greatest value.
    networks: Enc, Dec and Dis, as far as the model has them.
    variables: of each network.
  """

  def __init__(self, export: exports.Export):
    networks = build.networks(export.config)
    self.step = export.step
    self.image_shape = networks.decoder.shape
    self.latent_size = networks.latent
    self.encodes = networks.encoder is not None
    self.attribute_names = build.conditional(export.config)
    self.attribute_limits = export.attribute_limits
    # On the device once, and not with every batch.
    self.networks, self.variables = networks, jax.device_put(export.variables)

  def posterior(
    self, images: Images, attributes: Attributes = None
  ) -> tuple[Codes, Codes]:
    """Computes the mean and log variance of q(z|x).

    Args:
      images: pixels, 0..255.
      attributes: the images' attributes, for a conditional model.

    Raises:
      TypeError, ValueError: the arguments have another type, shape or range
        than this model takes, or the model is a GAN.
      FloatingPointError: a network computes a NaN or infinity.
    """
    self._require_encoder()
    pixels = arguments.images(images, shape=self.image_shape)
    encode = functools.partial(
      _encode, self.networks.encoder, self.variables['encoder']
    )
    return self._apply(encode, pixels, attributes)

  def _require_encoder(self) -> None:
    """Raises a ValueError if the model is a GAN."""
    if not self.encodes:
      raise ValueError(
        'this model is a GAN and has no encoder: it can sample and decode; '
        'take a vae, vae_dis or vaegan to encode or reconstruct'
      )

  def encode(self, images: Images, attributes: Attributes = None) -> Codes:
    """Computes the mean code of each image, without noise."""
    return self.posterior(images, attributes)[0]

  def decode(
    self,
    codes: Float32[np.ndarray | Array, 'batch latent'],
    attributes: Attributes = None,
  ) -> Pixels:
    """Decodes each code to an image.

    Raises:
      TypeError, ValueError: codes are not finite float32 of this model's size,
        or attributes as in `posterior`.
      FloatingPointError: the decoder computes a NaN.
    """
    rows = arguments.codes(codes, latent=self.latent_size)
    decode = functools.partial(
      _decode, self.networks.decoder, self.variables['decoder']
    )
    return self._apply(decode, rows, attributes)[0]

  def reconstruct(
    self, images: Images, attributes: Attributes = None
  ) -> Pixels:
    """Computes x_tilde: encodes images to their mean codes and decodes them."""
    return self.decode(self.encode(images, attributes), attributes)

  def draw(self, n: int, *, seed: int = 0) -> Codes:
    """Draws n codes from N(0, I); the first k are the same for any n >= k.

    Raises:
      ValueError: `n` is not a whole number of at least 1, or `seed` not one
        from 0 to 2^32 - 1.
    """
    rows = np.arange(arguments.count(n), dtype=np.uint32)
    key = jax.random.key(arguments.seed(seed))
    draw = functools.partial(_draw, self.latent_size, key)
    return chunks.apply(draw, (rows,), size=BATCH)

  def llike(self, x: Images, x_tilde: Images) -> Float32[np.ndarray, ' batch']:
    """Computes L_llike of pairs of images, without the constant, in nats.

    This is the paper's similarity metric: half the squared distance between
    Dis_l(x) and Dis_l(x_tilde). A VAE compares the images themselves. Dis
    normalises by its running statistics, so that a value depends on one pair
    alone.

    Args:
      x: pixels, 0..255.
      x_tilde: as many others.

    Raises:
      TypeError, ValueError: images as in `posterior`, or of unequal number.
    """
    pairs = [arguments.images(i, shape=self.image_shape) for i in (x, x_tilde)]
    if len(pairs[0]) != len(pairs[1]):
      raise ValueError(
        f'{len(pairs[0])} images x and {len(pairs[1])} images x_tilde: '
        'expected as many'
      )
    apply = functools.partial(
      _llike,
      self.networks.discriminator,
      self.variables.get('discriminator', {}),
    )
    return self._call(apply, tuple(pairs))[0]

  def digest(self) -> str:
    """Computes the SHA-256 of all variables, in hexadecimal."""
    digest = hashlib.sha256()
    for path, leaf in jax.tree_util.tree_leaves_with_path(self.variables):
      digest.update(jax.tree_util.keystr(path).encode())
      digest.update(np.ascontiguousarray(leaf).tobytes())
    return digest.hexdigest()

  def _apply(
    self, function: Callable, rows: np.ndarray, attributes: Attributes
  ) -> Any:
    """Applies a function to rows and their attributes, batch by batch.

    Raises:
      FloatingPointError: a result holds a NaN or infinity.
    """
    condition = arguments.attributes(
      attributes,
      rows=len(rows),
      names=self.attribute_names,
      limits=self.attribute_limits,
    )
    arrays = (rows,) if condition is None else (rows, condition)
    return self._call(function, arrays)

  def _call(self, function: Callable, arrays: tuple[np.ndarray, ...]) -> Any:
    *results, finite = chunks.apply(function, arrays, size=BATCH)
    if not finite.all():
      raise FloatingPointError(
        f'a network computes a NaN or infinity for '
        f'{arguments.listed(~finite)}: the largest input is '
        f'{np.abs(arrays[0]).max():.3g}; take smaller codes, or a checkpoint '
        'from before the run diverged'
      )
    return tuple(results)


# Modules are hashable, so models of equal networks share compiled programs.


@functools.partial(jax.jit, static_argnums=0)
def _encode(
  encoder: architecture.Encoder,
  variables: VariableDict,
  pixels: _Bytes,
  *condition: Float[Array, 'batch attributes'],
) -> tuple[Float[Array, 'batch latent'], Float[Array, 'batch latent'], _Finite]:
  """Computes the mean and log variance of q(z|x)."""
  images = augmentation.to_images(pixels)
  posterior: Any = encoder.apply(variables, images, *condition, train=False)
  mean, log_var = posterior
  return mean, log_var, jnp.isfinite(mean + log_var).all(axis=1)


@functools.partial(jax.jit, static_argnums=0)
def _decode(
  decoder: architecture.Decoder,
  variables: VariableDict,
  codes: Float[Array, 'batch latent'],
  *condition: Float[Array, 'batch attributes'],
) -> tuple[_Bytes, _Finite]:
  """Computes images from codes."""
  images: Any = decoder.apply(variables, codes, *condition, train=False)
  # A NaN would become a black pixel.
  return augmentation.to_pixels(images), jnp.isfinite(images).all((1, 2, 3))


@functools.partial(jax.jit, static_argnums=0)
def _draw(
  latent: int, key: PRNGKeyArray, rows: UInt32[Array, ' batch']
) -> Float32[Array, 'batch latent']:
  """Draws the rows of these numbers from N(0, I)."""
  keys = jax.vmap(jax.random.fold_in, (None, 0))(key, rows)
  return jax.vmap(lambda k: jax.random.normal(k, (latent,), jnp.float32))(keys)


@functools.partial(jax.jit, static_argnums=0)
def _llike(
  discriminator: architecture.Discriminator | None,
  variables: VariableDict,
  x: _Bytes,
  x_tilde: _Bytes,
) -> tuple[Float32[Array, ' batch'], _Finite]:
  """Computes L_llike in Dis_l, or in images where there is no Dis."""

  def features(pixels: _Bytes) -> Array:
    images = augmentation.to_images(pixels)
    if discriminator is None:
      return images
    dis_l: Any = discriminator.apply(
      variables, images, train=False, method='features'
    )
    return dis_l

  found = losses.llike(features(x), features(x_tilde))
  return found, jnp.isfinite(found)
