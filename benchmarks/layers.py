"""The convolutions of a config's networks, to be timed."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import NamedTuple

from vaegan_jax.config import build


class Layer(NamedTuple):
  """A convolution.

  Attributes:
    name: the network and the index of the layer.
    size: pixels a side of the large map.
    large: channels of the large map.
    small: channels of the small map.
    streams: batches that it is applied to at once.
    stride: 1 or 2.
  """

  name: str
  size: int
  large: int
  small: int
  streams: int
  stride: int = 2


def convolutions(config: build.Config) -> Iterator[Layer]:
  """Lists the convolutions of a VAE/GAN with square images."""
  networks, size = build.networks(config), build.size(config)[0]
  colours = networks.decoder.shape[2]
  decoded, judged = (2, 3) if config.joint_normalisation else (1, 1)
  channels = (colours, *networks.encoder.channels)
  for i, pair in enumerate(itertools.pairwise(channels)):
    yield Layer(f'Enc {i + 1}', size >> i, *pair, 1)
  channels = networks.decoder.channels
  last = len(channels)
  for i, (small, large) in enumerate(itertools.pairwise(channels)):
    yield Layer(f'Dec {i + 1}', size >> (last - 2 - i), large, small, decoded)
  yield Layer(f'Dec {last}', size, channels[-1], colours, decoded, stride=1)
  channels = networks.discriminator.channels
  yield Layer('Dis 0', size, colours, channels[0], judged, stride=1)
  for i, pair in enumerate(itertools.pairwise(channels)):
    yield Layer(f'Dis {i + 1}', size >> i, *pair, judged)
