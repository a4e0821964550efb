"""The demo: embedded faces at 32x32 on a laptop's CPU in a few minutes.

So small and short a run needs other settings than the paper's: a quarter of the
width, but more channels in Dis_l, which compares images, and in Dec's last
layer, where few channels leave a grain; Adam, the non-saturating loss, separate
batch normalisation for x, x_tilde and x_p, no equilibrium rule, a larger gamma,
a smaller code, and an average of the decoder for the pictures.
Command:
  make demo
"""

import ml_collections

from experiments.configs import faces
from vaegan_jax.config import schema


def get_config() -> ml_collections.ConfigDict:
  """Returns the faces at a small scale."""
  return schema.change(
    faces.get_config(),
    {
      'steps': 800,
      'batch_size': 32,
      'gamma': 2e-2,
      'real_share': 1 / 3,
      'log_epsilon': 0.0,
      'non_saturating': True,
      'joint_normalisation': False,
      'equilibrium': False,
      'average_decay': 0.995,
      'latent_size': 64,
      'width': 0.25,
      'encoder.weight_decay': 0.0,
      'decoder.channels': (256, 192, 128, 128),
      'decoder.weight_decay': 0.0,
      'discriminator.channels': (32, 128, 384, 256),
      'discriminator.layer': 2,
      'discriminator.weight_decay': 0.0,
      'optimizer.name': 'adam',
      'optimizer.learning_rate': 1e-3,
      'optimizer.final_learning_rate': 5e-5,
      'optimizer.power': 1.0,
      'optimizer.epoch': 1,
      'optimizer.decay': 0.999,
      'optimizer.momentum': 0.5,
      'data.size': (32, 32),
      'data.faces': 10_000,
      'log_every': 10,
      'picture_every': 100,
      'save_every': 100,
    },
  )
