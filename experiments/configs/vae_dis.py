"""The paper's VAE_Dis_l: the similarity is the Dis_l of a trained GAN, frozen.

Networks, data, schedule and loop are those of the reference.
Commands:
  python -m experiments.train --config=experiments/configs/gan.py \
    --workdir=runs/gan --config.data.path=PATH
  python -m experiments.train --config=experiments/configs/vae_dis.py \
    --workdir=runs/vae_dis --config.data.path=PATH --config.similarity=runs/gan
"""

import ml_collections

from experiments.configs import celeba
from vaegan_jax.config import schema


def get_config() -> ml_collections.ConfigDict:
  """Returns the reference with another model."""
  return schema.change(celeba.get_config(), {'model': 'vae_dis'})
