"""The paper's comparison at a scale for two CPU cores: faces at 32x32.

All models share the demo's networks and settings. Against the demo, real and
generated images have equal shares in L_GAN, so that it is balanced for the GAN
as for the VAE/GAN, whose generated images are of two kinds.
Command:
  make reproduce
"""

import ml_collections

from experiments.configs import demo, reproduce_celeba
from vaegan_jax import settings


def get_config() -> ml_collections.ConfigDict:
  """Gives the small scale."""
  config = reproduce_celeba.get_config().unlock()
  config.training = settings.change(
    demo.get_config(),
    {
      'real_share': 0.5,
      'steps': 500,
      'picture_every': 250,
      'save_every': 250,
      'keep': 1,
    },
  )
  config.seeds = 3
  config.images = 1_000
  config.runs = 10
  config.oracle_steps = 1_500
  return config.lock()
