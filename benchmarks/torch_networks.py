"""The paper's three networks in PyTorch, as in vaegan_jax/core/architecture.py.

Maps are [batch, channels, height, width], and a dense layer reads them
flattened in that order. Strided layers pad by (2, 2), ours by (1, 2): the same
work on mirrored maps.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import NamedTuple

import ml_collections
import torch
from torch import nn

KERNEL = 5


class Encoder(nn.Module):
  """Maps images to the mean and log variance of q(z|x), both [n, latent]."""

  def __init__(self, config: ml_collections.ConfigDict):
    super().__init__()
    channels = (config.data.channels, *config.encoder.channels)
    hidden = config.encoder.hidden
    self.body = nn.Sequential(
      *_strided(nn.Conv2d, channels, 2),
      nn.Flatten(),
      *_dense(math.prod(_smallest(config, channels[:0:-1])), hidden),
    )
    self.mean = nn.Linear(hidden, config.latent_size)
    self.log_var = nn.Linear(hidden, config.latent_size)

  def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Computes mean and log variance."""
    x = self.body(x)
    return self.mean(x), self.log_var(x)


class Decoder(nn.Sequential):
  """Maps codes [n, latent] to images in [-1, 1]."""

  def __init__(self, config: ml_collections.ConfigDict):
    channels = config.decoder.channels
    maps = _smallest(config, channels[:-1])
    super().__init__(
      *_dense(config.latent_size, math.prod(maps)),
      nn.Unflatten(1, maps),
      *_strided(nn.ConvTranspose2d, channels, 2, 1),
      nn.Conv2d(channels[-1], config.data.channels, KERNEL, 1, 2),
      nn.Tanh(),
    )


class Discriminator(nn.Module):
  """Maps images to Dis_l (`lower`), and Dis_l to logits (`upper`)."""

  def __init__(self, config: ml_collections.ConfigDict):
    super().__init__()
    channels = config.discriminator.channels
    hidden = config.discriminator.hidden
    first = nn.Conv2d(config.data.channels, channels[0], KERNEL, 1, 2)
    layers = _strided(nn.Conv2d, channels, 2)
    # Dis_l is the output of the last convolution, before its normalisation.
    self.lower = nn.Sequential(first, nn.ReLU(), *layers[:-2])
    self.upper = nn.Sequential(
      *layers[-2:],
      nn.Flatten(),
      *_dense(math.prod(_smallest(config, channels[:0:-1])), hidden),
      nn.Linear(hidden, 1),
    )


class Networks(NamedTuple):
  """The three modules."""

  encoder: Encoder
  decoder: Decoder
  discriminator: Discriminator


def build(config: ml_collections.ConfigDict) -> Networks:
  """Builds the networks of a config of width 1, with Dis_l as the paper's.

  Raises:
    ValueError: for another width or layer.
  """
  layer, last = config.discriminator.layer, len(config.discriminator.channels)
  if config.width != 1 or layer != last - 1:
    raise ValueError(
      f'config.width = {config.width} and config.discriminator.layer = {layer}:'
      f' the PyTorch networks have width 1 and layer {last - 1}'
    )
  return Networks(Encoder(config), Decoder(config), Discriminator(config))


def _smallest(
  config: ml_collections.ConfigDict, channels: Sequence[int]
) -> tuple[int, ...]:
  """Returns the shape of the smallest maps: a halving for each channel."""
  return channels[0], *(n >> len(channels) for n in config.data.size)


def _strided(
  layer: type[nn.Module], channels: Sequence[int], *padding: int
) -> list[nn.Module]:
  modules = []
  for before, after in itertools.pairwise(channels):
    strided = layer(before, after, KERNEL, 2, *padding, bias=False)
    modules += [strided, nn.BatchNorm2d(after, eps=1e-6), nn.ReLU()]
  return modules


def _dense(units: int, outputs: int) -> list[nn.Module]:
  layer = nn.Linear(units, outputs, bias=False)
  return [layer, nn.BatchNorm1d(outputs, eps=1e-5), nn.ReLU()]
