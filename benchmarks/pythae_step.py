"""Times a training step of the paper's networks: ours against pythae's VAEGAN.

pip install pythae==0.1.2 torch
python -m benchmarks.pythae_step [--batch=16] [--rounds=5]

pythae's networks are the paper's at 64x64 too, built here from its base
classes; its step is what its CoupledOptimizerAdversarialTrainer does: forward,
three backward passes, three optimizers. "As shipped": float32, NCHW.
"""

from __future__ import annotations

import torch
from absl import app, flags
from pythae.models import VAEGAN, VAEGANConfig
from pythae.models.base.base_utils import ModelOutput
from pythae.models.nn import BaseDecoder, BaseDiscriminator, BaseEncoder
from torch import nn

from benchmarks import ours, timing

_BATCH = flags.DEFINE_integer('batch', 16, 'Images a step.', lower_bound=2)
_ROUNDS = flags.DEFINE_integer('rounds', 5, 'Timed steps.', lower_bound=1)


def down(channels: int, more: int) -> nn.Sequential:
  """Makes a strided convolution, batch normalisation and ReLU."""
  return nn.Sequential(
    nn.Conv2d(channels, more, 5, 2, 2, bias=False),
    nn.BatchNorm2d(more),
    nn.ReLU(),
  )


def up(channels: int, more: int) -> nn.Sequential:
  """Makes a transposed convolution, batch normalisation and ReLU."""
  return nn.Sequential(
    nn.ConvTranspose2d(channels, more, 5, 2, 2, 1, bias=False),
    nn.BatchNorm2d(more),
    nn.ReLU(),
  )


class Encoder(BaseEncoder):
  """The paper's encoder."""

  def __init__(self):
    super().__init__()
    self.body = nn.Sequential(
      down(3, 64),
      down(64, 128),
      down(128, 256),
      nn.Flatten(),
      nn.Linear(16384, 1024, bias=False),
      nn.BatchNorm1d(1024),
      nn.ReLU(),
    )
    self.mean, self.log_var = nn.Linear(1024, 128), nn.Linear(1024, 128)

  def forward(self, x):
    """Computes mean and log variance."""
    x = self.body(x)
    return ModelOutput(embedding=self.mean(x), log_covariance=self.log_var(x))


class Decoder(BaseDecoder):
  """The paper's decoder."""

  def __init__(self):
    super().__init__()
    self.body = nn.Sequential(
      nn.Linear(128, 16384, bias=False),
      nn.BatchNorm1d(16384),
      nn.ReLU(),
      nn.Unflatten(1, (256, 8, 8)),
      up(256, 256),
      up(256, 128),
      up(128, 32),
      nn.Conv2d(32, 3, 5, 1, 2),
      nn.Tanh(),
    )

  def forward(self, z):
    """Computes images."""
    return ModelOutput(reconstruction=self.body(z))


class Discriminator(BaseDiscriminator):
  """The paper's discriminator, by layers as pythae wants it."""

  def __init__(self):
    super().__init__()
    self.layers = nn.ModuleList(
      [
        nn.Sequential(nn.Conv2d(3, 32, 5, 1, 2), nn.ReLU()),
        down(32, 128),
        down(128, 256),
        nn.Conv2d(256, 256, 5, 2, 2, bias=False),
        nn.Sequential(
          nn.BatchNorm2d(256),
          nn.ReLU(),
          nn.Flatten(),
          nn.Linear(16384, 512, bias=False),
          nn.BatchNorm1d(512),
          nn.ReLU(),
          nn.Linear(512, 1),
          nn.Sigmoid(),
        ),
      ]
    )
    self.depth = len(self.layers)

  def forward(self, x, output_layer_levels=None):
    """Computes the probability, and the layers asked for."""
    levels = output_layer_levels or [self.depth]
    output = ModelOutput()
    for i, layer in enumerate(self.layers, 1):
      x = layer(x)
      if i in levels:
        output[f'embedding_layer_{i}'] = x
    output['embedding'] = x
    return output


def pythae_step(batch: int):
  """Makes a function that does one step of pythae's."""
  config = VAEGANConfig(
    input_dim=(3, 64, 64), latent_dim=128, reconstruction_layer=4
  )
  model = VAEGAN(config, Encoder(), Decoder(), Discriminator())
  model.train()
  optimizers = [
    torch.optim.RMSprop(part.parameters(), lr=3e-4)
    for part in (model.encoder, model.decoder, model.discriminator)
  ]
  images = torch.rand(batch, 3, 64, 64)

  def step():
    output = model({'data': images})
    updated = [
      (optimizer, loss)
      for optimizer, loss, update in zip(
        optimizers,
        (output.encoder_loss, output.decoder_loss, output.discriminator_loss),
        (True, output.update_decoder, output.update_discriminator),
        strict=True,
      )
      if update
    ]
    for optimizer, loss in updated:
      optimizer.zero_grad()
      loss.backward(retain_graph=True)
    for optimizer, _ in updated:
      optimizer.step()

  return step


def main(argv: list[str]) -> None:
  """Prints medians and their ratio."""
  del argv
  batch = _BATCH.value
  seconds = timing.alternate(
    {'vaegan_jax': ours.our_step(64, batch), 'pythae': pythae_step(batch)},
    rounds=_ROUNDS.value,
  )
  for name, times in seconds.items():
    spread = ' '.join(f'{t:.2f}' for t in times)
    print(f'{name}: {timing.median(times):.2f} s a step of {batch} ({spread})')
  ratio = timing.median(seconds['pythae']) / timing.median(
    seconds['vaegan_jax']
  )
  print(f'vaegan_jax is {ratio:.2f} times as fast')


if __name__ == '__main__':
  app.run(main)
