"""The reference's settings on the embedded faces at 64x64: no files needed.

Command:
  python -m experiments.train --config=experiments/configs/faces.py \
    --workdir=runs/faces
"""

import ml_collections

from experiments.configs import celeba
from vaegan_jax.config import schema


def get_config() -> ml_collections.ConfigDict:
  """Returns the reference with the embedded faces as data."""
  return schema.change(
    celeba.get_config(),
    {
      'data.source': 'faces',
      # The faces are drawn with variation, so they need no jitter.
      'data.jitter': False,
    },
  )
