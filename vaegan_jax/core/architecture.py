"""The networks of a model, built from their sizes.

modules.py has the networks themselves.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import jax.numpy as jnp
from flax import linen as nn
from jax.typing import DTypeLike

from vaegan_jax.core import modules

NAMES = ('encoder', 'decoder', 'discriminator')


class Networks(NamedTuple):
  """The networks of a model; their variables live in a TrainState.

  Attributes:
    encoder: Enc; None for a GAN.
    decoder: Dec, which is the generator of a GAN.
    discriminator: Dis; None for a VAE.
    latent: size of a code.
    attributes: number of attributes; 0 if the networks are not conditional.
  """

  encoder: modules.Encoder | None
  decoder: modules.Decoder
  discriminator: modules.Discriminator | None
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
  normalised: bool = True,
  smooth: bool = False,
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
    normalised: whether the discriminator has batch normalisation.
    smooth: whether the kernels of strided layers are smooth.
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
  enc = modules.Encoder(latent, scaled(encoder), hidden[0], smooth)
  dec = modules.Decoder(shape, scaled(decoder), smooth)
  dis = modules.Discriminator(
    scaled(discriminator), hidden[1], layer, normalised, smooth
  )
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
