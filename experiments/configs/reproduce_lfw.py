"""The paper's table on LFW, with the reference's settings.

Only conditional models are trained, as in the paper.
Command:
  python -m experiments.reproduce \
    --config=experiments/configs/reproduce_lfw.py \
    --workdir=runs/reproduce_lfw --config.training.data.path=PATH
"""

import ml_collections

from experiments.configs import lfw, reproduce_celeba
from vaegan_jax.config import schema


def get_config() -> ml_collections.ConfigDict:
  """Returns the paper's scale with LFW as data."""
  config = reproduce_celeba.get_config().unlock()
  config.training = schema.change(lfw.get_config(), {'conditional': ''})
  config.models = 'conditional_vae,conditional_gan,conditional_vaegan'
  return config.lock()
