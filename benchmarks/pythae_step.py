"""pythae's own VAEGAN step with the paper's networks, as shipped.

pip install pythae==0.1.2 torch

The step repeats pythae's CoupledOptimizerAdversarialTrainer: one forward pass,
and a backward pass for each optimizer through everything that its loss depends
on. float32, NCHW, no switches of PyTorch. It does less work than ours in one
place (its L_GAN has no term for x_tilde) and more in others (it runs Dis four
times, and each backward pass computes the gradients of all networks on its
way).
"""

from __future__ import annotations

import torch
from pythae.models import VAEGAN, VAEGANConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseDiscriminator, BaseEncoder

from benchmarks import contestants, reference, torch_networks, torch_step

# The paper's networks get pythae's interface below. It counts Dis_l as layer 1
# and the probability as layer 2.
_DIS_L, _PROBABILITY = 1, 2


class _Encoder(BaseEncoder):
  def forward(self, x: torch.Tensor) -> ModelOutput:
    mean, log_var = self.network(x)
    return ModelOutput(embedding=mean, log_covariance=log_var)


class _Decoder(BaseDecoder):
  def forward(self, z: torch.Tensor) -> ModelOutput:
    return ModelOutput(reconstruction=self.network(z))


class _Discriminator(BaseDiscriminator):
  depth = _PROBABILITY

  def forward(
    self, x: torch.Tensor, output_layer_levels: list[int] | None = None
  ) -> ModelOutput:
    # Dis_l if only that is requested, else the probability.
    dis_l = self.network.lower(x)
    if output_layer_levels == [_DIS_L]:
      return ModelOutput(embedding_layer_1=dis_l)
    return ModelOutput(embedding=torch.sigmoid(self.network.upper(dis_l)))


def prepare(size: int, batch: int) -> contestants.Prepared:
  """Makes a step of pythae's."""
  config, device = reference.config(size, batch), torch_step.DEVICE
  shape = (config.data.channels, size, size)
  settings = VAEGANConfig(
    input_dim=shape,
    latent_dim=config.latent_size,
    reconstruction_layer=_DIS_L,
  )
  parts = (_Encoder(), _Decoder(), _Discriminator())
  for part, network in zip(parts, torch_networks.build(config), strict=True):
    part.network = network
  model = VAEGAN(settings, *parts).to(device)
  model.train()
  optimizers = [
    torch.optim.RMSprop(part.parameters(), lr=config.optimizer.learning_rate)
    for part in (model.encoder, model.decoder, model.discriminator)
  ]
  images = torch.rand(batch, *shape, device=device)
  return torch_step.prepared(lambda: _step(model, images, optimizers))


def _step(model: VAEGAN, images: torch.Tensor, optimizers: list) -> None:
  """Repeats the trainer's `_optimizers_step`."""
  output = model({'data': images})
  last = output.discriminator_loss
  losses = (output.encoder_loss, output.decoder_loss, last)
  updated = (True, output.update_decoder, output.update_discriminator)
  moved = []
  for optimizer, loss, update in zip(optimizers, losses, updated, strict=True):
    if update:
      optimizer.zero_grad()
      loss.backward(retain_graph=loss is not last)
      moved.append(optimizer)
  for optimizer in moved:
    optimizer.step()
