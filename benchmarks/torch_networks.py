"""The paper's three networks in PyTorch, as core/architecture.py has them.

Layers are in PyTorch's own order: maps are [batch, channels, height, width],
and a dense layer reads them flattened in that order.
"""

from __future__ import annotations

from typing import NamedTuple

import ml_collections
import torch
from torch import nn
from torch.nn import functional

KERNEL = 5


class Downward(nn.Conv2d):
  """Halves maps by a strided convolution.

  Attributes:
    exact: pads by (1, 2) as ours does, which takes a copy; else by (2, 2),
      which is the same work on a grid shifted by a pixel.
  """

  def __init__(self, channels: int, more: int, *, exact: bool):
    super().__init__(channels, more, KERNEL, 2, 0 if exact else 2, bias=False)
    self.exact = exact

  def forward(self, x: torch.Tensor) -> torch.Tensor:
    """Maps [n, channels, h, w] to [n, more, h / 2, w / 2]."""
    return super().forward(functional.pad(x, (1, 2, 1, 2)) if self.exact else x)


class Upward(nn.ConvTranspose2d):
  """Doubles maps by a transposed convolution; `exact` as in Downward."""

  def __init__(self, channels: int, more: int, *, exact: bool):
    padding = (1, 0) if exact else (2, 1)
    super().__init__(channels, more, KERNEL, 2, *padding, bias=False)
    self.exact = exact

  def forward(self, x: torch.Tensor) -> torch.Tensor:
    """Maps [n, channels, h, w] to [n, more, 2 h, 2 w]."""
    y = super().forward(x)
    return y[..., :-1, :-1] if self.exact else y


def normalised(layer: nn.Module, channels: int) -> list[nn.Module]:
  """Lists a layer, its batch normalisation and a ReLU."""
  if isinstance(layer, nn.Linear):
    return [layer, nn.BatchNorm1d(channels, eps=1e-5), nn.ReLU()]
  return [layer, nn.BatchNorm2d(channels, eps=1e-6), nn.ReLU()]


class Encoder(nn.Module):
  """Maps images to the mean and log variance of q(z|x)."""

  def __init__(self, config: ml_collections.ConfigDict, *, exact: bool = False):
    super().__init__()
    channels = (config.data.channels, *config.encoder.channels)
    body: list[nn.Module] = []
    for i, more in enumerate(channels[1:]):
      body += normalised(Downward(channels[i], more, exact=exact), more)
    units = _units(config, channels[-1], halvings=len(channels) - 1)
    hidden = config.encoder.hidden
    dense = nn.Linear(units, hidden, bias=False)
    self.body = nn.Sequential(*body, nn.Flatten(), *normalised(dense, hidden))
    self.mean = nn.Linear(hidden, config.latent_size)
    self.log_var = nn.Linear(hidden, config.latent_size)

  def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Computes mean and log variance, [n, latent]."""
    x = self.body(x)
    return self.mean(x), self.log_var(x)


class Decoder(nn.Module):
  """Maps codes to images in [-1, 1]."""

  def __init__(self, config: ml_collections.ConfigDict, *, exact: bool = False):
    super().__init__()
    channels = config.decoder.channels
    units = _units(config, channels[0], halvings=len(channels) - 1)
    sides = [n >> (len(channels) - 1) for n in config.data.size]
    dense = nn.Linear(config.latent_size, units, bias=False)
    body = [
      *normalised(dense, units),
      nn.Unflatten(1, (channels[0], *sides)),
    ]
    for i, more in enumerate(channels[1:]):
      body += normalised(Upward(channels[i], more, exact=exact), more)
    colours = nn.Conv2d(channels[-1], config.data.channels, KERNEL, 1, 2)
    self.body = nn.Sequential(*body, colours, nn.Tanh())

  def forward(self, z: torch.Tensor) -> torch.Tensor:
    """Computes images, [n, colours, height, width]."""
    return self.body(z)


class Discriminator(nn.Module):
  """Maps images to Dis_l (`lower`), and that to logits (`upper`)."""

  def __init__(self, config: ml_collections.ConfigDict, *, exact: bool = False):
    super().__init__()
    channels = config.discriminator.channels
    hidden = config.discriminator.hidden
    first = nn.Conv2d(config.data.channels, channels[0], KERNEL, 1, 2)
    lower: list[nn.Module] = [first, nn.ReLU()]
    for i, more in enumerate(channels[1:]):
      lower += normalised(Downward(channels[i], more, exact=exact), more)
    # Dis_l is the raw output of the last convolution.
    self.lower = nn.Sequential(*lower[:-2])
    units = _units(config, channels[-1], halvings=len(channels) - 1)
    dense = nn.Linear(units, hidden, bias=False)
    self.upper = nn.Sequential(
      *lower[-2:],
      nn.Flatten(),
      *normalised(dense, hidden),
      nn.Linear(hidden, 1),
    )


class Networks(NamedTuple):
  """The three modules."""

  encoder: Encoder
  decoder: Decoder
  discriminator: Discriminator


def build(
  config: ml_collections.ConfigDict, *, exact: bool = False
) -> Networks:
  """Builds the networks of a config like the reference's, of full width.

  Args:
    config: with `config.width` 1 and Dis_l the last convolution.
    exact: whether maps are padded by (1, 2) as ours.

  Raises:
    ValueError: for another width or layer.
  """
  layer, last = config.discriminator.layer, len(config.discriminator.channels)
  if config.width != 1 or layer != last - 1:
    raise ValueError(
      f'config.width = {config.width} and config.discriminator.layer = {layer}:'
      f' the PyTorch networks have width 1 and layer {last - 1}'
    )
  return Networks(
    Encoder(config, exact=exact),
    Decoder(config, exact=exact),
    Discriminator(config, exact=exact),
  )


def _units(
  config: ml_collections.ConfigDict, channels: int, *, halvings: int
) -> int:
  """Counts the units of the smallest maps."""
  height, width = (n >> halvings for n in config.data.size)
  return height * width * channels
