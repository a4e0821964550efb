"""The modern recipe on the embedded faces, at a quarter of the width.

All of it takes about ten hours on two CPU cores. The weights that come with the
package as 'faces64' are step 6,750 of this run, and 3,200 more steps in which
the learning rate falls to its end (vaegan_jax/pretrained/faces64/README.md).
Command:
  python -m experiments.train --config=experiments/configs/faces64.py \
    --workdir=runs/faces64
"""

import ml_collections

from experiments.configs import modern
from vaegan_jax.config import schema


def get_config() -> ml_collections.ConfigDict:
  """Returns the modern recipe at a scale for a CPU and half a day."""
  return schema.change(
    modern.get_config(),
    {
      'steps': 20_000,
      'batch_size': 32,
      'width': 0.25,
      'latent_size': 96,
      'pixel_weight': 7.0,  # Dis_l has 8,192 features
      'data.source': 'faces',
      'data.faces': 100_000,
      'data.jitter': False,
      'log_every': 50,
      'picture_every': 500,
      'save_every': 250,
      'keep_every': 2_000,
    },
  )
