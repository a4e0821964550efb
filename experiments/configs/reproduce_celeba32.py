"""The paper's comparison on CelebA at 32x32, at a scale for two CPU cores.

The networks are those of the authors' code for 32x32 images, at a quarter of
their width, with the reference's settings: RMSProp, the rule of equilibrium,
joint batch normalisation and three terms in L_GAN, the same for all models. A
quarter of the width leaves Dis_l a quarter of its features, so L_llike is that
much smaller: L_prior has a quarter of its weight, and gamma is four times the
reference's. The learning rate has eight epochs of 125 steps, and ends at a
tenth.
Command:
  python -m experiments.reproduce \
    --config=experiments/configs/reproduce_celeba32.py \
    --workdir=runs/reproduce_celeba32 --config.training.data.path=PATH
"""

import ml_collections

from experiments.configs import celeba, reproduce_celeba
from vaegan_jax.config import schema


def get_config() -> ml_collections.ConfigDict:
  """Returns the small scale."""
  config = reproduce_celeba.get_config().unlock()
  config.training = schema.change(
    celeba.get_config(),
    {
      'steps': 1_000,
      'gamma': 4e-5,
      'prior_weight': 1 / 4,
      'width': 0.25,
      'decoder.channels': (256, 192, 128, 32),
      'discriminator.channels': (32, 128, 192, 256),
      'discriminator.layer': 2,
      'optimizer.epoch': 125,
      'data.size': (32, 32),
      'log_every': 20,
      'picture_every': 250,
      'save_every': 250,
      'keep': 1,
    },
  )
  config.images = 500
  config.runs = 10
  config.oracle_steps = 1_500
  return config.lock()
