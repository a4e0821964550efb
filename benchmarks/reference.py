"""The config whose step all contestants do, without importing JAX."""

from __future__ import annotations

import ml_collections

from experiments.configs import celeba

# Nothing is read from a disk, and images are mirrored, not jittered.
DELTA = {'data.source': 'faces', 'data.jitter': False}


def config(size: int, batch: int) -> ml_collections.ConfigDict:
  """Gives the reference config with images of size x size."""
  config = celeba.get_config()
  config.update_from_flattened_dict(
    {**DELTA, 'data.size': (size, size), 'batch_size': batch}
  )
  return config
