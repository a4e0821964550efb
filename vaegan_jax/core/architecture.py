"""Encoder, Decoder and Discriminator: the paper's table of layers.

Every network is a pure function of (variables, input): Flax modules whose
'params' are learned and whose 'batch_stats' are the running statistics of
batch normalisation, used instead of the batch's own where `train` is False.

The number of strided layers is the number of channels given, so images must be
divisible by 2 to that number: 8 for the paper's three.

Source: table 1 of the paper; architectures.py of the authors' code (commit
1906387) for what the table leaves open: no bias before batch normalisation,
weights uniform within 1/sqrt(3 fan_in), momentum 0.9, epsilon 1e-6 after
convolutions and 1e-5 after dense layers.

Activations are of a network's `dtype`, from the cast of its input to its
last hidden layer; mean, log variance, logit and images are float32 always.

Conditional networks take a vector of attributes as well: it joins the code at
Dec's input, and the maps at the input of the dense layer that lies on top of
the convolutions of Enc and of Dis. (The paper's words, as recalled, are the top
dense layer. Were it Dis's last, its logit would be a sum of a function of the
image and one of the attributes, which cannot tell whether they belong
together.)
Deviation: maps are padded by (1, 2) instead of (2, 2), which shifts the grid
by a pixel; running statistics average variances instead of inverse standard
deviations; the scale of a normalisation starts at 1.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax.numpy as jnp
from flax import linen as nn
from jaxtyping import Array, Float

from vaegan_jax.core import layers
from vaegan_jax.ops import normalisation

NAMES = ('encoder', 'decoder', 'discriminator')


class Encoder(nn.Module):
  """Maps images to the mean and log variance of q(z|x).

  Attributes:
    latent: the size of a code z.
    channels: of the strided convolutions.
    hidden: units of the dense layer (2048 in the paper, 1024 in the code).
    axis_name: the mapped axis over which a batch is spread, if any.
    dtype: of the activations.
  """

  latent: int = 128
  channels: tuple[int, ...] = (64, 128, 256)
  hidden: int = 1024
  axis_name: str | None = None
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
    self,
    images: Float[Array, 'batch height width colours'],
    attributes: Float[Array, 'batch attributes'] | None = None,
    *,
    train: bool,
  ) -> tuple[Float[Array, 'batch latent'], Float[Array, 'batch latent']]:
    """Computes mean and log variance."""
    x = images.astype(self.dtype)
    for i, channels in enumerate(self.channels, 1):
      x = layers.Convolution(channels, name=f'convolution_{i}')(x)
      x = layers.Normalise(self.axis_name, name=f'normalise_{i}')(
        x, train=train
      )
    x = layers.join(x, attributes)
    x = layers.Dense(
      self.hidden, use_bias=False, dtype=self.dtype, name='dense'
    )(x)
    x = layers.Normalise(self.axis_name, name='normalise_dense')(x, train=train)
    # Without a dtype: float32, as the kernels are.
    mean = layers.Dense(self.latent, name='mean')(x)
    log_var = layers.Dense(self.latent, name='log_var')(x)
    return mean, log_var


class Decoder(nn.Module):
  """Maps codes to images in [-1, 1]: the VAE's decoder, the GAN's generator.

  Attributes:
    shape: height, width and colours of the images.
    channels: of the dense layer's maps, then of the strided layers.
    axis_name: the mapped axis over which a batch is spread, if any.
    dtype: of the activations.
  """

  shape: tuple[int, int, int]
  channels: tuple[int, ...] = (256, 256, 128, 32)
  axis_name: str | None = None
  dtype: Any = jnp.float32

  @nn.compact
  def __call__(
    self,
    codes: Float[Array, 'batch latent'],
    attributes: Float[Array, 'batch attributes'] | None = None,
    *,
    train: bool,
  ) -> Float[Array, 'batch height width colours']:
    """Computes images."""
    first, *rest = self.channels
    height, width = (n >> len(rest) for n in self.shape[:2])
    x = layers.join(codes, attributes)
    x = layers.Dense(
      height * width * first, use_bias=False, dtype=self.dtype, name='dense'
    )(x)
    # Over each unit of the dense layer, as in the authors' code, not per map.
    x = layers.Normalise(self.axis_name, name='normalise_dense')(x, train=train)
    x = x.reshape(-1, height, width, first)
    for i, channels in enumerate(rest, 1):
      x = layers.Convolution(channels, direction='up', name=f'convolution_{i}')(
        x
      )
      x = layers.Normalise(self.axis_name, name=f'normalise_{i}')(
        x, train=train
      )
    colours = self.shape[2]
    x = layers.Convolution(colours, stride=1, bias=True, name='colours')(x)
    # Images are small beside the maps, and their colours want the digits.
    return jnp.tanh(x.astype(jnp.promote_types(x.dtype, jnp.float32)))


class Discriminator(nn.Module):
  """Maps images to Dis_l and to the logit of being real.

  Dis_l is the raw output of a convolution, before normalisation and ReLU:
  `features` computes it and `judge` goes on from there, so that a gradient can
  enter or leave between the two.

  Attributes:
    channels: of the first convolution (stride 1), then of the strided ones.
    hidden: units of the dense layer.
    layer: how many strided convolutions lie below Dis_l; 3 in the authors'
      code, 0 means the first convolution.
    axis_name: the mapped axis over which a batch is spread, if any.
    dtype: of the activations.
  """

  channels: tuple[int, ...] = (32, 128, 256, 256)
  hidden: int = 512
  layer: int = 3
  axis_name: str | None = None
  dtype: Any = jnp.float32

  def setup(self):
    """Makes the layers that `features` and `judge` share."""
    first, *rest = self.channels
    self.convolutions = [
      layers.Convolution(first, stride=1, bias=True),
      *(layers.Convolution(channels) for channels in rest),
    ]
    self.normalisations = [layers.Normalise(self.axis_name) for _ in rest]
    self.dense = layers.Dense(self.hidden, use_bias=False, dtype=self.dtype)
    self.normalise_dense = layers.Normalise(self.axis_name)
    self.logit = layers.Dense(1)

  def __call__(
    self,
    images: Float[Array, 'batch height width colours'],
    attributes: Float[Array, 'batch attributes'] | None = None,
    *,
    train: bool,
  ) -> Float[Array, ' batch']:
    """Computes the logit of being real."""
    features = self.features(images, train=train)
    return self.judge(features, attributes, train=train)

  def features(
    self, images: Float[Array, 'batch height width colours'], *, train: bool
  ) -> Float[Array, 'batch h w channels']:
    """Computes Dis_l."""
    x = self.convolutions[0](images.astype(self.dtype))
    for i in range(self.layer):
      x = self.convolutions[i + 1](self._activate(x, i, train))
    return x

  def judge(
    self,
    features: Float[Array, 'batch h w channels'],
    attributes: Float[Array, 'batch attributes'] | None = None,
    *,
    train: bool,
  ) -> Float[Array, ' batch']:
    """Computes the logit from Dis_l; positive means real."""
    x = features
    for i in range(self.layer, len(self.channels) - 1):
      x = self.convolutions[i + 1](self._activate(x, i, train))
    x = self._activate(x, len(self.channels) - 1, train)
    x = self.dense(layers.join(x, attributes))
    x = self.normalise_dense(x, train=train)
    return self.logit(x)[:, 0]

  def _activate(self, x: Array, layer: int, train: bool) -> Array:
    """Applies what follows a convolution: the first has no normalisation."""
    if layer == 0:
      return normalisation.relu(x)
    return self.normalisations[layer - 1](x, train=train)


class Networks(NamedTuple):
  """The networks of a model; their variables live in a TrainState.

  Attributes:
    encoder: an Encoder; None for a GAN.
    decoder: of every model; a GAN's is its generator.
    discriminator: a Discriminator; None for a VAE.
    latent: the size of a code.
    attributes: how many numbers the networks are conditional on; 0: none.
  """

  encoder: Any
  decoder: Decoder
  discriminator: Any
  latent: int
  attributes: int = 0

  def present(self) -> dict[str, Any]:
    """Gives the networks that this model has, by name."""
    named = {name: getattr(self, name) for name in NAMES}
    return {name: network for name, network in named.items() if network}

  def over_axis(self, axis_name: str | None) -> Networks:
    """Returns networks that normalise over the batch of a mapped axis."""
    return self._clone(axis_name=axis_name)

  def computing(self, dtype: Any) -> Networks:
    """Gives networks whose activations are of a type; the rest is the same."""
    return self._clone(dtype=jnp.dtype(dtype))

  def _clone(self, **changes: Any) -> Networks:
    clones = {n: net.clone(**changes) for n, net in self.present().items()}
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
  """Builds the networks of a model for images of a shape.

  Args:
    shape: height, width, colours (1 or 3).
    latent: the size of a code.
    width: a multiple of all channels and hidden units below.
    encoder: channels of its strided convolutions.
    encoder_hidden: units of its dense layer.
    decoder: channels of its dense layer's maps and of its strided layers.
    discriminator: channels of its first and of its strided convolutions.
    discriminator_hidden: units of its dense layer.
    layer: which strided convolution of the discriminator gives Dis_l.
    names: of the networks that the model has.
    attributes: how many numbers the networks are conditional on; 0: none.

  Raises:
    ValueError: if the layers do not fit the shape or each other.
  """
  height, width_in_pixels, colours = shape
  depths = (len(encoder), len(decoder) - 1, len(discriminator) - 1)
  multiple = 2 ** max(depths)
  if min(shape) < 1 or height % multiple or width_in_pixels % multiple:
    raise ValueError(
      f'images of {height}x{width_in_pixels} do not fit networks with '
      f'{max(depths)} strided layers: height and width must be multiples of '
      f'{multiple}'
    )
  if colours not in (1, 3):
    raise ValueError(f'images have {colours} colours: expected 1 or 3')
  if not 0 <= layer < len(discriminator):
    raise ValueError(
      f'the discriminator has no layer {layer}: Dis_l is one of 0 (its first '
      f'convolution) to {len(discriminator) - 1} (its last)'
    )
  if latent < 1 or width <= 0:
    raise ValueError(
      f'latent size {latent} and width {width}: both must be positive'
    )

  def scaled(channels: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(max(1, round(n * width)) for n in channels)

  (encoder_hidden, discriminator_hidden) = scaled(
    (encoder_hidden, discriminator_hidden)
  )
  built: dict[str, Any] = {
    'encoder': Encoder(latent, scaled(encoder), encoder_hidden),
    'decoder': Decoder(shape, scaled(decoder)),
    'discriminator': Discriminator(
      scaled(discriminator), discriminator_hidden, layer
    ),
  }
  wanted: dict[str, Any] = {
    name: built[name] if name in names else None for name in NAMES
  }
  return Networks(**wanted, latent=latent, attributes=attributes)
