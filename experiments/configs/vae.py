"""The VAE of the paper: a pixel Gaussian, and no discriminator.

Networks, data, schedule and loop are those of the reference.
Command:
  python -m experiments.train --config=experiments/configs/vae.py \
    --workdir=runs/vae --config.data.path=PATH
"""

import ml_collections

from experiments.configs import celeba
from vaegan_jax.config import schema


def get_config() -> ml_collections.ConfigDict:
  """Returns the reference with another model."""
  return schema.change(celeba.get_config(), {'model': 'vae'})
