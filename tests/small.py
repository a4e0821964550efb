"""A config and data that are small enough to train on in a test."""

import jax
import numpy as np
import optax

from experiments.configs import demo
from vaegan_jax.config import schema
from vaegan_jax.core import train_state
from vaegan_jax.data import cache
from vaegan_jax.runs import checkpoints, records

# One strided layer in each network: quick to compile, and all kinds of layers.
CHANGES = {
  'steps': 6,
  'batch_size': 8,
  'latent_size': 5,
  'average_decay': 0.75,
  'width': 1.0,
  'encoder.channels': (4,),
  'encoder.hidden': 8,
  'decoder.channels': (4, 4),
  'discriminator.channels': (4, 4),
  'discriminator.layer': 1,
  'discriminator.hidden': 8,
  'optimizer.learning_rate': 5e-4,
  'data.size': (16, 16),
  'data.faces': 20,
  'log_every': 1,
  'picture_every': 3,
  'save_every': 2,
}


# An optimizer that does not amplify rounding within 50 steps, as Adam does.
CALM = {
  'optimizer.name': 'rmsprop',
  'optimizer.momentum': 0.0,
  'optimizer.decay': 0.9,
  'optimizer.learning_rate': 1e-5,
  'optimizer.final_learning_rate': 1e-6,
}


def config(cache='', **changes):
  """Returns the config with changes by name; __ stands for a dot."""
  named = {name.replace('__', '.'): value for name, value in changes.items()}
  return schema.change(
    demo.get_config(), {**CHANGES, 'data.cache': str(cache), **named}
  )


def variables(networks):
  """Returns initial variables of networks, by their names."""
  state = train_state.initialise(
    networks,
    dict.fromkeys(networks.present(), optax.identity()),
    key=jax.random.key(0),
  )
  return {name: x.variables() for name, x in state.networks.items()}


def noise():
  """Returns a data set of 20 images of noise."""
  pixels = np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3), np.uint8)
  return cache.Dataset(pixels, None, (), 'noise', 'train', digest='')


def apart(rows, others):
  """Compares the metrics of two runs that may differ by rounding.

  Losses are continuous; a gradient jumps where rounding moves a unit across a
  ReLU's kink.

  Returns:
    the largest relative difference of a loss, and of a gradient's norm.
  """
  losses = norms = 0.0
  for row, other in zip(rows, others, strict=True):
    assert row.keys() == other.keys()
    for name, x in row.items():
      difference = abs(other[name] - x) / max(abs(x), 1e-3)
      if name.endswith('gradient_norm'):
        norms = max(norms, difference)
      else:
        losses = max(losses, difference)
  return losses, norms


def assert_equal_runs(one, other):
  """Asserts that two runs have equal states, metrics and pictures."""
  states = [checkpoints.load(folder) for folder in (one, other)]
  jax.tree.map(np.testing.assert_array_equal, *states)
  for name in (records.METRICS, 'figures/reconstructions.png'):
    assert (one / name).read_bytes() == (other / name).read_bytes(), name
