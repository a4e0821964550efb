"""The demo: the modern recipe on the embedded faces, minutes on a laptop's CPU.

The settings are those of faces64.py, with fewer steps and faces, and a learning
rate that stays high, as a grain comes back where it falls
(docs/notes/pictures-log.md).
Command:
  make demo
"""

import ml_collections

from experiments.configs import faces64
from vaegan_jax.config import schema


def get_config() -> ml_collections.ConfigDict:
  """Returns the faces at a small scale."""
  return schema.change(
    faces64.get_config(),
    {
      'steps': 340,
      'optimizer.final_learning_rate': 5e-4,
      'data.faces': 5_000,
      'log_every': 10,
      'picture_every': 50,
      'save_every': 50,
    },
  )
