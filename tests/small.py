"""A config and data small enough to be trained on within a test."""

import numpy as np

from experiments.configs import demo
from vaegan_jax.config import build
from vaegan_jax.data import cache
from vaegan_jax.training import goodput

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


def config(cache='', **changes):
  """Gives it with changes by name; two underscores stand for a dot."""
  named = {name.replace('__', '.'): value for name, value in changes.items()}
  return build.change(
    demo.get_config(), {**CHANGES, 'data.cache': str(cache), **named}
  )


def timer(step=0):
  """Gives a clock of a run that is at a step."""
  return goodput.Timer(step=step, batch_size=CHANGES['batch_size'])


def noise():
  """Gives a data set of 20 images of noise."""
  pixels = np.random.default_rng(0).integers(0, 256, (20, 16, 16, 3), np.uint8)
  return cache.Dataset(pixels, None, (), 'noise', 'train', digest='')
