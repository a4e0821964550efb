"""The paper's comparison at a scale for two CPU cores: faces at 32x32.

All models have the same data and settings, which suit so short runs better than
the paper's: a quarter of the width, but more channels in Dis_l, which compares
images, and in Dec's last layer, where few channels leave a grain; Adam, the
non-saturating loss, separate batch normalisation for x, x_tilde and x_p, no
equilibrium rule, a larger gamma, a smaller code, and an average of the decoder
for the pictures. Twenty-one runs take up to two hours. Only the GAN has other
settings, without which so short a run shows no faces: one batch normalisation
for real and generated images, as in the authors' code, and a slower Dis. (With
these the VAE/GAN collapses to coloured noise.)
Command:
  make reproduce
"""

import ml_collections

from experiments.configs import faces, reproduce_celeba
from vaegan_jax.config import schema


def get_config() -> ml_collections.ConfigDict:
  """Returns the small scale."""
  config = reproduce_celeba.get_config().unlock()
  config.training = schema.change(
    faces.get_config(),
    {
      'steps': 1_000,
      'batch_size': 64,
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
      'decoder.channels': (256, 192, 128, 64),
      'decoder.weight_decay': 0.0,
      'discriminator.channels': (32, 128, 192, 256),
      'discriminator.layer': 2,
      'discriminator.weight_decay': 0.0,
      'optimizer.name': 'adam',
      'optimizer.learning_rate': 5e-4,
      'optimizer.final_learning_rate': 5e-5,
      'optimizer.power': 1.0,
      'optimizer.epoch': 1,
      'optimizer.decay': 0.999,
      'optimizer.momentum': 0.5,
      'data.size': (32, 32),
      'data.faces': 10_000,
      'log_every': 10,
      'picture_every': 500,
      'save_every': 500,
      'keep': 1,
    },
  )
  config.gan = ml_collections.ConfigDict(
    {
      'real_share': 0.5,
      'joint_normalisation': True,
      'discriminator': {'learning_rate_scale': 0.25},
      'optimizer': {'learning_rate': 6e-4, 'final_learning_rate': 1e-4},
    }
  )
  config.images = 1_000
  config.runs = 10
  config.oracle_steps = 1_500
  return config.lock()
