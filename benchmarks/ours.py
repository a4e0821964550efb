"""Our training step, ready to be timed."""

from __future__ import annotations

from collections.abc import Callable

import jax
import numpy as np

from experiments.configs import celeba
from vaegan_jax import settings, training
from vaegan_jax.data import batches


def our_step(size: int, batch: int) -> Callable[[], None]:
  """Makes a function that does one step of the reference, and waits."""
  config = settings.change(
    celeba.get_config(),
    {
      'batch_size': batch,
      'data.size': (size, size),
      'data.source': 'faces',
      'data.jitter': False,
    },
  )
  run = training.prepare(config)
  pixels = np.random.default_rng(0).integers(
    0, 256, (batch, size, size, 3), np.uint8
  )
  data = batches.Batch(jax.device_put(pixels, run.compiled.sharded), None)
  state = [run.initialise()]

  def step():
    state[0], metrics = run.compiled.step(state[0], data)
    jax.block_until_ready((state, metrics))

  return step
