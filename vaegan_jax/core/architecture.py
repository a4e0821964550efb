"""Encoder, Decoder and Discriminator: the paper's table of layers.

Every network is a pure function of (variables, input). Its 'params' are
learned; its 'batch_stats' are the running statistics of batch normalisation,
which replace those of the batch if `train` is False.

Each strided layer halves or doubles height and width, so with n of them both
must be multiples of 2^n: of 8 for the paper's three.

Activations have the network's `dtype`, from the cast of its input to its last
hidden layer. Mean, log variance, logit and images are always float32.

A conditional network takes a vector of attributes too. The decoder appends it
to the code; the encoder and the discriminator append it to the input of the
dense layer on top of their convolutions, our reading of the paper's top dense
layer (recalled). In Enc the authors' cond_vaegan_cifar.py, commit 58d4e5b, does
the same. (At the last layer of the discriminator, the logit would be a function
of the image plus one of the attributes, and could not depend on their match.)

Deviation: maps are padded by (1, 2) instead of (2, 2), which shifts the grid
by a pixel; running statistics average variances instead of inverse standard
deviations; the scale of a normalisation starts at 1.

Source: table 1 of the paper; architectures.py of the authors' code (commit
1906387) for what the table leaves open: no bias before batch normalisation,
weights uniform within 1/sqrt(3 fan_in), momentum 0.9, epsilon 1e-6 after
convolutions and 1e-5 after dense layers.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any, NamedTuple, TypeAlias

import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from vaegan_jax.core import layers
from vaegan_jax.ops import normalisation

Images: TypeAlias = Float[Array, 'batch height width channels']
Features: TypeAlias = Float[Array, 'batch l_height l_width l_channels']
Codes: TypeAlias = Float[Array, 'batch latent']
Logits: TypeAlias = Float[Array, ' batch']
Attributes: TypeAlias = Float[Array, 'batch attributes'] | None

NAMES = ('encoder', 'decoder', 'discriminator')


class Encoder(nn.Module):
  """Maps images to the mean and log variance of q(z|x).

  Attributes:
    latent: size of a code z.
    channels: channels of each strided convolution.
    hidden: units of the dense layer (2048 in the paper, 1024 in the code).
    axis_name: the mapped axis over which the batch is split, if any.
    dtype: dtype of the activations.
  """

  latent: int = 128
  channels: tuple[int, ...] = (64, 128, 256)
  hidden: int = 1024
  axis_name: str | None = None
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, images: Images, attributes: Attributes = None, *, train: bool
  ) -> tuple[Codes, Codes]:
    """Computes the mean and log variance of q(z|x)."""
    norm_relu = functools.partial(layers.BatchNormRelu, self.axis_name)
    x = images.astype(self.dtype)
    for i, channels in enumerate(self.channels, 1):
      x = layers.Convolution(channels, name=f'convolution_{i}')(x)
      x = norm_relu(name=f'normalise_{i}')(x, train=train)
    x = layers.join(x, attributes)  # [batch, features]
    x = layers.Dense(
      self.hidden, use_bias=False, dtype=self.dtype, name='dense'
    )(x)
    x = norm_relu(name='normalise_dense')(x, train=train)
    # Without a dtype, a Dense computes in float32, the dtype of its kernel.
    mean = layers.Dense(self.latent, name='mean')(x)
    log_var = layers.Dense(self.latent, name='log_var')(x)
    return mean, log_var


class Decoder(nn.Module):
  """Maps codes to images in [-1, 1]: the VAE's decoder, the GAN's generator.

  Attributes:
    shape: height, width and channels of the images.
    channels: channels of the dense layer's maps, then of each strided layer.
    axis_name: the mapped axis over which the batch is split, if any.
    dtype: dtype of the activations.
  """

  shape: tuple[int, int, int]
  channels: tuple[int, ...] = (256, 256, 128, 32)
  axis_name: str | None = None
  dtype: DTypeLike = jnp.float32

  @nn.compact
  def __call__(
    self, codes: Codes, attributes: Attributes = None, *, train: bool
  ) -> Images:
    """Computes images in [-1, 1]."""
    norm_relu = functools.partial(layers.BatchNormRelu, self.axis_name)
    up = functools.partial(layers.Convolution, direction='up')
    first, *rest = self.channels
    height, width = (n >> len(rest) for n in self.shape[:2])
    x = layers.join(codes, attributes)  # [batch, latent + attributes]
    x = layers.Dense(
      height * width * first, use_bias=False, dtype=self.dtype, name='dense'
    )(x)
    # Each unit has its own statistics, as in the authors' code, not each map.
    x = norm_relu(name='normalise_dense')(x, train=train)
    x = x.reshape(-1, height, width, first)  # [batch, h, w, channels]
    for i, channels in enumerate(rest, 1):
      x = up(channels, name=f'convolution_{i}')(x)
      x = norm_relu(name=f'normalise_{i}')(x, train=train)
    last = layers.Convolution(self.shape[2], 1, bias=True, name='colours')
    x = last(x)  # [batch, image height, image width, image channels]
    # bfloat16 has too few digits for images, which are small beside the maps.
    return jnp.tanh(x.astype(jnp.promote_types(x.dtype, jnp.float32)))


class Discriminator(nn.Module):
  """Maps images to Dis_l and to the logit of being real.

  Dis_l is the raw output of a convolution, before normalisation and ReLU.
  `features` computes it and `judge` continues from it, so that a gradient can
  enter or leave between the two.

  Attributes:
    channels: channels of the first convolution, of stride 1, and of the others.
    hidden: units of the dense layer.
    layer: index of the convolution whose output is Dis_l; 3, the third strided
      one, in the authors' code.
    axis_name: the mapped axis over which the batch is split, if any.
    dtype: dtype of the activations.
  """

  channels: tuple[int, ...] = (32, 128, 256, 256)
  hidden: int = 512
  layer: int = 3
  axis_name: str | None = None
  dtype: DTypeLike = jnp.float32

  def setup(self):
    """Creates the layers of `features` and `judge`."""
    first, *rest = self.channels
    self.convolutions = [
      layers.Convolution(first, stride=1, bias=True),
      *(layers.Convolution(channels) for channels in rest),
    ]
    self.normalisations = [layers.BatchNormRelu(self.axis_name) for _ in rest]
    self.dense = layers.Dense(self.hidden, use_bias=False, dtype=self.dtype)
    self.normalise_dense = layers.BatchNormRelu(self.axis_name)
    self.logit = layers.Dense(1)

  def __call__(
    self, images: Images, attributes: Attributes = None, *, train: bool
  ) -> Logits:
    """Computes the logit of being real."""
    features = self.features(images, train=train)
    return self.judge(features, attributes, train=train)

  def features(self, images: Images, *, train: bool) -> Features:
    """Computes Dis_l."""
    x = self.convolutions[0](images.astype(self.dtype))
    for i in range(self.layer):
      x = self.convolutions[i + 1](self._activate(x, i, train))
    return x

  def judge(
    self, features: Features, attributes: Attributes = None, *, train: bool
  ) -> Logits:
    """Computes the logit from Dis_l; positive means real."""
    x = features
    for i in range(self.layer, len(self.channels) - 1):
      x = self.convolutions[i + 1](self._activate(x, i, train))
    x = self._activate(x, len(self.channels) - 1, train)
    x = self.dense(layers.join(x, attributes))  # [batch, hidden]
    x = self.normalise_dense(x, train=train)
    return self.logit(x)[:, 0]  # [batch, 1] -> [batch]

  def _activate(self, x: Array, layer: int, train: bool) -> Array:
    """Applies ReLU, after a normalisation except for the first convolution."""
    if layer == 0:
      return normalisation.relu(x)
    return self.normalisations[layer - 1](x, train=train)


class Networks(NamedTuple):
  """The networks of a model; their variables live in a TrainState.

  Attributes:
    encoder: Enc; None for a GAN.
    decoder: Dec, which is the generator of a GAN.
    discriminator: Dis; None for a VAE.
    latent: size of a code.
    attributes: number of attributes; 0 if the networks are not conditional.
  """

  encoder: Encoder | None
  decoder: Decoder
  discriminator: Discriminator | None
  latent: int
  attributes: int = 0

  def present(self) -> dict[str, nn.Module]:
    """Returns the networks that this model has, by name."""
    named = {name: getattr(self, name) for name in NAMES}
    return {name: network for name, network in named.items() if network}

  def with_axis_name(self, axis_name: str | None) -> Networks:
    """Returns networks that normalise over the batch of a mapped axis."""
    return self._clone(axis_name=axis_name)

  def with_dtype(self, dtype: DTypeLike) -> Networks:
    """Returns networks with activations of another dtype."""
    return self._clone(dtype=jnp.dtype(dtype))

  def _clone(self, **changes: Any) -> Networks:
    clones: dict[str, Any] = {
      n: net.clone(**changes) for n, net in self.present().items()
    }
    return self._replace(**clones)


def build(
  shape: tuple[int, int, int],
  *,
  latent: int = 128,
  width: float = 1.0,
  encoder: tuple[int, ...] = (64, 128, 256),
  encoder_hidden: int = 1024,
  decoder: tuple[int, ...] = (256, 256, 128, 32),
  discriminator: tuple[int, ...] = (32, 128, 256, 256),
  discriminator_hidden: int = 512,
  layer: int = 3,
  names: tuple[str, ...] = NAMES,
  attributes: int = 0,
) -> Networks:
  """Builds the networks of a model.

  Args:
    shape: height, width and channels (1 or 3) of the images.
    latent: size of a code.
    width: multiplier of all channels and hidden units below.
    encoder: channels of its strided convolutions.
    encoder_hidden: units of its dense layer.
    decoder: channels of its dense layer's maps and of its strided layers.
    discriminator: channels of its first and of its strided convolutions.
    discriminator_hidden: units of its dense layer.
    layer: the convolution of the discriminator whose output is Dis_l.
    names: the networks that the model has, the decoder among them.
    attributes: number of attributes that the networks take.

  Raises:
    ValueError: if the layers do not fit the shape or each other.
  """
  _check_shape(shape, max(map(len, (encoder, decoder[1:], discriminator[1:]))))
  if not 0 <= layer < len(discriminator):
    raise ValueError(
      f'the discriminator has no layer {layer}: Dis_l is one of 0 (its first '
      f'convolution) to {len(discriminator) - 1} (its last)'
    )
  if latent < 1 or width <= 0:
    raise ValueError(f'latent size {latent} and width {width} must be positive')

  def scaled(channels: Iterable[int]) -> tuple[int, ...]:
    return tuple(max(1, round(n * width)) for n in channels)

  hidden = scaled((encoder_hidden, discriminator_hidden))
  enc = Encoder(latent, scaled(encoder), hidden[0])
  dec = Decoder(shape, scaled(decoder))
  dis = Discriminator(scaled(discriminator), hidden[1], layer)
  return Networks(
    enc if 'encoder' in names else None,
    dec,
    dis if 'discriminator' in names else None,
    latent,
    attributes,
  )


def _check_shape(shape: tuple[int, int, int], strided_layers: int) -> None:
  height, width, channels = shape
  multiple = 2**strided_layers
  if min(shape) < 1 or height % multiple or width % multiple:
    raise ValueError(
      f'images of {height}x{width} do not fit networks with {strided_layers} '
      f'strided layers: height and width must be multiples of {multiple}'
    )
  if channels not in (1, 3):
    raise ValueError(f'images have {channels} channels: expected 1 or 3')
