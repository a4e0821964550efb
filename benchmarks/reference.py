"""The config whose step all contestants do, without importing JAX."""

from __future__ import annotations

import ml_collections

from experiments.configs import celeba


def config(size: int, batch: int) -> ml_collections.ConfigDict:
  """Returns the reference config for batches of size x size images.

  No data is read, and images are mirrored but not jittered.
  """
  config = celeba.get_config()
  changes = {'data.source': 'faces', 'data.jitter': False}
  changes |= {'data.size': (size, size), 'batch_size': batch}
  config.update_from_flattened_dict(changes)
  return config
