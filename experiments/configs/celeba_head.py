"""CelebA as in the authors' HEAD, commit 24aa0f2: what their repository runs.

Against 1906387: no L_GAN term for x_tilde, smaller gamma, equal weights,
higher learning rate, more steps.
Command:
  python -m experiments.train --config=experiments/configs/celeba_head.py \
    --workdir=runs/celeba_head --config.data.path=PATH
"""

import ml_collections

from experiments.configs import celeba
from vaegan_jax.config import schema


def get_config() -> ml_collections.ConfigDict:
  """Returns the reference with HEAD's changes."""
  return schema.change(
    celeba.get_config(),
    {
      'steps': 62_500,
      'gamma': 1e-6,
      'real_share': 0.5,
      'reconstructions_judged': False,
      'optimizer.learning_rate': 0.025 / 64,
    },
  )
