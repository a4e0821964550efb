"""A trained model: encode, decode, reconstruct, sample.

Networks compute in float32, whatever config.dtype they were trained in, so that
the measures of two runs differ only by their training.
"""

from __future__ import annotations

import functools
import hashlib
import os
import pathlib
from collections.abc import Callable, Mapping, Sequence
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

from vaegan_jax import arguments
from vaegan_jax.config import build
from vaegan_jax.core import architecture, augmentation, gaussian
from vaegan_jax.data import chunks
from vaegan_jax.files import paths
from vaegan_jax.runs import exports

_BATCH = 64  # images per call: bounds memory, and one shape is compiled

Images: TypeAlias = UInt8[np.ndarray | Array, 'batch height width channels']
Pixels: TypeAlias = arguments.Pixels
Codes: TypeAlias = arguments.Codes
Attributes: TypeAlias = (
  Shaped[np.ndarray | Array, 'batch attributes'] | Sequence | None
)

Finite: TypeAlias = Bool[Array, ' batch']

_PRETRAINED = pathlib.Path(__file__).parent / 'pretrained'


class Model:
  """Networks with their trained variables.

  A conditional model takes `attributes` in every call: a row for each image or
  code, with the columns of `attribute_names`. Other models take none.

  Attributes:
    step: the training step of the variables.
    image_shape: height, width, channels.
    latent_size: the length of a code.
    encodes: whether the model has an encoder; a GAN has none.
    fitted_prior: as `fit_prior` made it, if the model was exported with it.
    attribute_vectors: by name, if the model was exported with them.
    attribute_names: the attributes that the model is conditional on, or ().
    attribute_limits: of each of them, the least and the greatest value.
    networks: Enc, Dec and Dis, as far as the model has them.
    variables: of each network.
  """

  def __init__(
    self,
    networks: architecture.Networks,
    variables: Mapping[str, VariableDict],
    *,
    step: int = 0,
    attribute_names: tuple[str, ...] = (),
    attribute_limits: arguments.Limits | None = None,
    fitted_prior: gaussian.Gaussian | None = None,
    attribute_vectors: Mapping[str, np.ndarray] | None = None,
  ):
    self.step = step
    self.image_shape = networks.decoder.shape
    self.latent_size = networks.latent
    self.encodes = networks.encoder is not None
    self.attribute_names = attribute_names
    self.fitted_prior = fitted_prior
    self.attribute_vectors = dict(attribute_vectors or {})
    self.attribute_limits = attribute_limits
    self.networks, self.variables = networks, variables

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
    if not self.encodes:
      raise ValueError(
        'this model is a GAN and has no encoder: it can sample and decode; '
        'take a vae, vae_dis or vaegan to encode or reconstruct'
      )
    pixels = arguments.images(images, shape=self.image_shape)
    encode = functools.partial(
      _encode, self.networks.encoder, self.variables['encoder']
    )
    return self._apply(encode, pixels, attributes)

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

  def edit(self, images: Images, changes: Mapping[str, float]) -> Pixels:
    """Adds multiples of attribute vectors to the codes of images.

    Args:
      images: pixels, 0..255.
      changes: of each attribute, the multiple of its vector: {'Smiling': 1.5}.

    Raises:
      ValueError: the model knows no such vector; or as `posterior`.
    """
    if unknown := [*changes.keys() - self.attribute_vectors.keys()]:
      known = ', '.join(self.attribute_vectors) or 'none'
      raise ValueError(
        f'no attribute vector of {", ".join(unknown)}: this model has {known}; '
        'exporting a run with labelled data computes them'
      )
    codes = self.encode(images)
    for name, multiple in changes.items():
      codes = codes + np.float32(multiple) * self.attribute_vectors[name]
    return self.decode(codes)

  def sample(
    self,
    n: int,
    attributes: Attributes = None,
    *,
    prior: gaussian.Gaussian | None = None,
    seed: int = 0,
  ) -> Pixels:
    """Samples n images x_p: decodes codes drawn from the prior."""
    return self.decode(self.sample_prior(n, prior=prior, seed=seed), attributes)

  def fit_prior(
    self, images: Images, attributes: Attributes = None
  ) -> gaussian.Gaussian:
    """Fits a Gaussian to the codes z ~ q(z|x) of images, to sample from.

    It has the mean and covariance of the aggregated posterior, from which
    N(0, I) may be far where L_prior is small beside L_llike.

    Args:
      images: training images; some thousands are enough.
      attributes: as in `posterior`, which says what is raised.
    """
    return gaussian.fit(*self.posterior(images, attributes))

  def sample_prior(
    self, n: int, *, prior: gaussian.Gaussian | None = None, seed: int = 0
  ) -> Codes:
    """Draws n codes from the prior; the first k are the same for any n >= k.

    Args:
      n: the number of codes.
      prior: as `fit_prior` returns it; N(0, I) if None.
      seed: determines the codes.

    Raises:
      ValueError: `n` is not a whole number of at least 1, or `seed` not one
        from 0 to 2^32 - 1.
    """
    rows = np.arange(arguments.count(n), dtype=np.uint32)
    key = jax.random.key(arguments.seed(seed))
    draw = functools.partial(_draw, self.latent_size, key)
    normal = chunks.apply(draw, (rows,), size=_BATCH)
    return normal if prior is None else prior.transform(normal)

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
    *results, finite = chunks.apply(function, arrays, size=_BATCH)
    if not finite.all():
      raise FloatingPointError(
        f'a network computes a NaN or infinity for '
        f'{arguments.listed(~finite)}: the largest input is '
        f'{np.abs(rows).max():.3g}; take smaller codes, or a checkpoint from '
        'before the run diverged'
      )
    return tuple(results)


def load(workdir: str | os.PathLike) -> Model:
  """Loads the model of a run's newest checkpoint, or of another one.

  Args:
    workdir: the run's folder; or DIR/checkpoints/STEP in it; or the folder of
      an exported model.

  Raises:
    FileNotFoundError: the folder holds no run or model, or no such checkpoint.
    ValueError: the path is none of this machine, or no checkpoint is intact.
  """
  return from_export(exports.read(paths.absolute(workdir, name='workdir')))


def from_export(export: exports.Export) -> Model:
  """Builds the model of an export, or of what `exports.read` read of a run."""
  return Model(
    build.networks(export.config),
    export.variables,
    step=export.step,
    attribute_names=build.conditional(export.config),
    attribute_limits=export.attribute_limits,
    fitted_prior=export.prior,
    attribute_vectors=export.attribute_vectors,
  )


def pretrained(name: str) -> Model:
  """Loads a model that comes with the package.

  Raises:
    ValueError: there is none of this name.
  """
  names = sorted(p.name for p in _PRETRAINED.iterdir() if exports.exists(p))
  if name not in names:
    raise ValueError(f'{name!r} is no model: expected one of {names}')
  return load(_PRETRAINED / name)


# Modules are hashable, so models of equal networks share compiled programs.


@functools.partial(jax.jit, static_argnums=0)
def _encode(
  encoder: architecture.Encoder,
  variables: VariableDict,
  pixels: UInt8[Array, 'batch height width channels'],
  *condition: Float[Array, 'batch attributes'],
) -> tuple[Float[Array, 'batch latent'], Float[Array, 'batch latent'], Finite]:
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
) -> tuple[UInt8[Array, 'batch height width channels'], Finite]:
  images: Any = decoder.apply(variables, codes, *condition, train=False)
  # A NaN would become a black pixel.
  return augmentation.to_pixels(images), jnp.isfinite(images).all((1, 2, 3))


@functools.partial(jax.jit, static_argnums=0)
def _draw(
  latent: int, key: PRNGKeyArray, rows: UInt32[Array, ' batch']
) -> Float32[Array, 'batch latent']:
  keys = jax.vmap(jax.random.fold_in, (None, 0))(key, rows)
  return jax.vmap(lambda k: jax.random.normal(k, (latent,), jnp.float32))(keys)
