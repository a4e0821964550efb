"""A trained model: what `codec` does, and sample, edit, walk, score, share."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float32, UInt8

from vaegan_jax import arguments, codec
from vaegan_jax.config import build
from vaegan_jax.core import curves, gaussian, losses
from vaegan_jax.files import paths
from vaegan_jax.runs import exports, hub, onnx_files

Images: TypeAlias = codec.Images
Pixels: TypeAlias = codec.Pixels
Codes: TypeAlias = codec.Codes
Attributes: TypeAlias = codec.Attributes
Frames: TypeAlias = UInt8[np.ndarray, 'frames walkers height width channels']


class Scores(NamedTuple):
  """How unlike the training images each image is, in nats.

  Attributes:
    llike: L_llike, the error of its reconstruction, without the constant; in
      Dis_l, or in pixels for a VAE.
    prior: L_prior, the divergence of q(z|x) from N(0, I).
  """

  llike: Float32[np.ndarray, ' batch']
  prior: Float32[np.ndarray, ' batch']


class Model(codec.Codec):
  """A trained model; `codec.Codec` says what all calls share.

  Attributes:
    fitted_prior: as `fit_prior` made it of training images, if it is known.
    attribute_vectors: by name, if the training images have attributes.
  """

  def __init__(self, export: exports.Export):
    super().__init__(export)
    self.fitted_prior = export.prior
    self.attribute_vectors = dict(export.attribute_vectors)
    self._export = export

  def __repr__(self) -> str:
    title = build.model(self._export.config).title
    height, width, channels = self.image_shape
    given = ', '.join(self.attribute_names)
    return (
      f'<{title} of {height}x{width}x{channels} images, '
      f'{self.latent_size} latent dimensions, step {self.step:,}'
      f'{given and f", conditional on {given}"}>'
    )

  def edit(self, images: Images, changes: Mapping[str, float]) -> Pixels:
    """Adds multiples of attribute vectors to the codes of images.

    Args:
      images: pixels, 0..255.
      changes: of each attribute, the multiple of its vector: {'Smiling': 1.5}.

    Raises:
      TypeError: `changes` is no mapping.
      ValueError: the model knows no such vector; or as `posterior`.
    """
    if not isinstance(changes, Mapping):
      raise TypeError(
        f'changes are a {type(changes).__name__}: expected a mapping of '
        "attributes to multiples, such as {'Smiling': 1.5}"
      )
    self._require_encoder()
    if unknown := [*changes.keys() - self.attribute_vectors.keys()]:
      known = ', '.join(self.attribute_vectors) or 'none'
      remedy = (
        'it is conditional: decode the codes with other attributes'
        if self.attribute_names
        else 'training on labelled images computes them'
      )
      raise ValueError(
        f'no attribute vector of {", ".join(unknown)}: this model has {known}; '
        f'{remedy}'
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

  def interpolate(
    self,
    start: Images,
    end: Images,
    frames: int = 10,
    *,
    attributes: Attributes = None,
  ) -> Frames:
    """Decodes codes from that of each image to that of another.

    Directions are interpolated on a great circle, and lengths linearly.

    Args:
      start: images at the beginning.
      end: as many images at the end.
      frames: the number of codes; the first and last are those of the images.
      attributes: of both, for a conditional model.
    """
    ends = [self.encode(images, attributes) for images in (start, end)]
    if ends[0].shape != ends[1].shape:
      raise ValueError(
        f'{len(ends[0])} images at the start and {len(ends[1])} at the end: '
        'expected as many'
      )
    share = np.linspace(
      0, 1, arguments.count(frames, name='frames'), dtype=np.float32
    )
    codes = curves.interpolate(*ends, share=share)
    return self.decode_curves(codes, attributes)

  def walk(
    self,
    frames: int = 90,
    *,
    walkers: int = 1,
    attributes: Attributes = None,
    prior: gaussian.Gaussian | None = None,
    seed: int = 0,
  ) -> Frames:
    """Decodes smooth closed walks, each point of which is a draw of the prior.

    The first walks of a seed are the same for any number of walkers.

    Args:
      frames: per round.
      walkers: the number of independent walks.
      attributes: of each walker, for a conditional model.
      prior: as in `sample_prior`.
      seed: determines the walks.
    """
    count = 2 * curves.HARMONICS
    draws = self.sample_prior(
      count * arguments.count(walkers, name='walkers'), seed=seed
    )
    waves = draws.reshape(walkers, count, self.latent_size).swapaxes(0, 1)
    codes = curves.loop(waves, frames=arguments.count(frames, name='frames'))
    if prior is not None:
      rows = codes.reshape(-1, self.latent_size)
      codes = prior.transform(rows).reshape(codes.shape)
    return self.decode_curves(codes, attributes)

  def decode_curves(
    self,
    codes: Float32[np.ndarray, 'frames walkers latent'],
    attributes: Attributes = None,
  ) -> Frames:
    """Decodes the codes along several curves; attributes are of each curve."""
    frames, _, latent = codes.shape
    rows = None if attributes is None else np.tile(attributes, (frames, 1))
    pixels = self.decode(codes.reshape(-1, latent), rows)
    return pixels.reshape(*codes.shape[:2], *pixels.shape[1:])

  def score(self, images: Images, attributes: Attributes = None) -> Scores:
    """Computes the loss of each image, to find unusual ones.

    Images are reconstructed from their mean codes, and Dis normalises by its
    running statistics, so that a score depends on one image alone. What a
    config changes of L_llike (unit_features, pixel_weight) is left out.

    Raises:
      TypeError, ValueError, FloatingPointError: as `posterior`.
    """
    x = arguments.images(images, shape=self.image_shape)
    mean, log_var = self.posterior(x, attributes)
    prior = losses.prior(jnp.asarray(mean), jnp.asarray(log_var))
    llike = self.llike(x, self.decode(mean, attributes))
    return Scores(llike, np.asarray(prior))

  def save_pretrained(self, folder: str | os.PathLike) -> None:
    """Writes the model into a folder that `vaegan_jax.load` reads.

    It gets model.safetensors, config.json and README.md, a model card; the
    launcher experiments.export adds pictures and measures to it.

    Raises:
      ValueError: the folder holds a run or a model.
    """
    export = self._export._replace(
      prior=self.fitted_prior, attribute_vectors=self.attribute_vectors
    )
    target = paths.absolute(folder, name='folder')
    exports.write(target, export, card=exports.card(export))

  def to_onnx(self, folder: str | os.PathLike) -> None:
    """Writes encoder.onnx and decoder.onnx, which take a batch of any size.

    The encoder maps 'images' [N, H, W, C], float32 in [-1, 1], to 'mean' and
    'log_var' [N, Z], the decoder 'codes' [N, Z] to 'images'; both also take the
    'attributes' [N, A] of a conditional model. A GAN has no encoder.

    Raises:
      ValueError: the folder holds one of the files.
      ImportError: onnx is not installed.
    """
    target = paths.absolute(folder, name='folder')
    onnx_files.write(target, self.networks, self._export)

  def push_to_hub(self, name: str) -> str:
    """Uploads the model to the Hugging Face hub as 'user/name'.

    Returns:
      the address of the commit.

    Raises:
      ImportError: huggingface_hub is not installed.
    """
    return hub.upload(name, self.save_pretrained)

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
      TypeError: `prior` is something else.
      ValueError: `n` is not a whole number of at least 1, or `seed` not one
        from 0 to 2^32 - 1.
    """
    if prior is not None and not isinstance(prior, gaussian.Gaussian):
      raise TypeError(
        f'prior is a {type(prior).__name__}: expected a Gaussian, such as '
        'model.fitted_prior, or None for N(0, I)'
      )
    normal = self.draw(n, seed=seed)
    return normal if prior is None else prior.transform(normal)
