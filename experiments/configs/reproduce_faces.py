"""The paper's comparison at a scale for two CPU cores: faces at 32x32.

All models have the demo's data and settings, with narrower networks and half
its learning rate, so that fourteen runs take less than an hour. Only the GAN
has other settings, without which so short a run shows no faces: one batch
normalisation for real and generated images, as in the authors' code, and a
slower Dis. (With these the VAE/GAN collapses to coloured noise.)
Command:
  make reproduce
"""

import ml_collections

from experiments.configs import demo, reproduce_celeba
from vaegan_jax.config import schema


def get_config() -> ml_collections.ConfigDict:
  """Returns the small scale."""
  config = reproduce_celeba.get_config().unlock()
  config.training = schema.change(
    demo.get_config(),
    {
      'steps': 500,
      'batch_size': 64,
      'decoder.channels': (256, 192, 128, 64),
      'discriminator.channels': (32, 128, 192, 256),
      'optimizer.learning_rate': 5e-4,
      'picture_every': 250,
      'save_every': 250,
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
