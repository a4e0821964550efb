"""pythae's own VAEGAN step with the paper's networks, as shipped.

pip install pythae==0.1.2 torch

The step is what its CoupledOptimizerAdversarialTrainer does: one forward pass,
a backward pass for each optimizer through whatever its loss reaches. float32,
NCHW, none of PyTorch's switches. It is less work than ours in one place (its
L_GAN has no term for x_tilde) and more in others (it runs Dis four times, and
each backward pass computes the gradients of all networks that it meets).
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import torch
from pythae.models import VAEGAN, VAEGANConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseDiscriminator, BaseEncoder

from benchmarks import contestants, reference, torch_networks, torch_step

# Dis_l and the probability, as pythae counts layers.
_DIS_L, _PROBABILITY = 1, 2


class Encoder(BaseEncoder):
  """The paper's encoder, as pythae wants it."""

  def __init__(self, network: torch_networks.Encoder):
    super().__init__()
    self.network = network

  def forward(self, x: torch.Tensor) -> ModelOutput:
    """Computes mean and log variance."""
    mean, log_var = self.network(x)
    return ModelOutput(embedding=mean, log_covariance=log_var)


class Decoder(BaseDecoder):
  """The paper's decoder, as pythae wants it."""

  def __init__(self, network: torch_networks.Decoder):
    super().__init__()
    self.network = network

  def forward(self, z: torch.Tensor) -> ModelOutput:
    """Computes images."""
    return ModelOutput(reconstruction=self.network(z))


class Discriminator(BaseDiscriminator):
  """The paper's discriminator, by layers as pythae wants it."""

  def __init__(self, network: torch_networks.Discriminator):
    super().__init__()
    self.network = network
    self.depth = _PROBABILITY

  def forward(
    self, x: torch.Tensor, output_layer_levels: list[int] | None = None
  ) -> ModelOutput:
    """Computes the deepest layer asked for: as pythae's own, no deeper."""
    dis_l = self.network.lower(x)
    if output_layer_levels == [_DIS_L]:
      return ModelOutput(embedding_layer_1=dis_l)
    return ModelOutput(embedding=torch.sigmoid(self.network.upper(dis_l)))


def load() -> str:
  """Gets PyTorch ready, and says on what it runs: 'cpu' or 'gpu'."""
  torch.set_num_threads(len(os.sched_getaffinity(0)))
  return 'gpu' if torch.cuda.is_available() else 'cpu'


def device() -> str:
  """Names the accelerator."""
  return torch.cuda.get_device_name()


def prepare(size: int, batch: int) -> contestants.Prepared:
  """Makes a step of pythae's, ready to be timed."""
  device = 'cuda' if torch.cuda.is_available() else 'cpu'
  before = torch.cuda.memory_allocated() if device == 'cuda' else 0
  config = reference.config(size, batch)
  encoder, decoder, discriminator = torch_networks.build(config)
  model = VAEGAN(
    VAEGANConfig(
      input_dim=(config.data.channels, size, size),
      latent_dim=config.latent_size,
      reconstruction_layer=_DIS_L,
    ),
    Encoder(encoder),
    Decoder(decoder),
    Discriminator(discriminator),
  ).to(device)
  model.train()
  optimizers = [
    torch.optim.RMSprop(part.parameters(), lr=config.optimizer.learning_rate)
    for part in (model.encoder, model.decoder, model.discriminator)
  ]
  images = torch.rand(batch, config.data.channels, size, size, device=device)

  def run(steps: int) -> None:
    for _ in range(steps):
      _step(model, images, optimizers)
    torch_step.wait()

  return contestants.Prepared(run, allocated=torch_step.allocated_since(before))


def _step(
  model: VAEGAN,
  images: torch.Tensor,
  optimizers: Sequence[torch.optim.Optimizer],
) -> None:
  """Does what the trainer's `_optimizers_step` does."""
  output = model({'data': images})
  losses = (output.encoder_loss, output.decoder_loss, output.discriminator_loss)
  moved = (True, output.update_decoder, output.update_discriminator)
  last = output.discriminator_loss
  updates = [
    (optimizer, loss)
    for optimizer, loss, moves in zip(optimizers, losses, moved, strict=True)
    if moves
  ]
  for optimizer, loss in updates:
    optimizer.zero_grad()
    loss.backward(retain_graph=loss is not last)
  for optimizer, _ in updates:
    optimizer.step()
