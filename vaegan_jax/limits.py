"""What the settings of a config may be, by dotted name."""

from vaegan_jax import objectives

# name: (least, largest) of numbers, both allowed.
RANGES = {
  'steps': (1, None),
  'batch_size': (2, None),
  'seed': (0, 2**32 - 1),
  'gamma': (0, None),
  'real_share': (0, 0.999),
  'log_epsilon': (0, 1),
  'equilibrium_centre': (0, None),
  'equilibrium_margin': (0, None),
  'average_decay': (0, 1),
  'latent_size': (1, None),
  'encoder.hidden': (1, None),
  'encoder.learning_rate_scale': (0, None),
  'encoder.weight_decay': (0, None),
  'decoder.learning_rate_scale': (0, None),
  'decoder.weight_decay': (0, None),
  'discriminator.hidden': (1, None),
  'discriminator.learning_rate_scale': (0, None),
  'discriminator.weight_decay': (0, None),
  'optimizer.decay': (0, 1),
  'optimizer.momentum': (0, 1),
  'data.faces': (1, None),
  'data.seed': (0, 2**32 - 1),
  'data.resident': (0, None),
  'log_every': (1, None),
  'picture_every': (1, None),
  'save_every': (1, None),
  'keep': (1, None),
}
CHOICES = {
  'model': tuple(objectives.MODELS),
  'compile': ('jit', 'pmap'),
  'optimizer.name': ('rmsprop', 'adam'),
}
