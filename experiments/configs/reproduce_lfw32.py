"""The paper's table on LFW at 32x32, at a scale for two CPU cores.

The settings are those of reproduce_celeba32.py. Only conditional models are
trained, as in the paper.
Command:
  python -m experiments.reproduce \
    --config=experiments/configs/reproduce_lfw32.py \
    --workdir=runs/reproduce_lfw32 --config.training.data.path=PATH
"""

import ml_collections

from experiments.configs import reproduce_celeba32, reproduce_lfw
from vaegan_jax.config import schema


def get_config() -> ml_collections.ConfigDict:
  """Returns the small scale with LFW as data."""
  config = reproduce_celeba32.get_config().unlock()
  config.training = schema.change(config.training, {'data.source': 'lfw'})
  config.models = reproduce_lfw.get_config().models
  return config.lock()
