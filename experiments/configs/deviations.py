"""What single deviations from the reference cost: cartoon faces at 32x32.

Many ports of the paper change what these settings change. The scale is one for
two CPU cores: a quarter of the width, and 500 steps. So Dis_l has 1,024
features, a sixteenth of the paper's, and L_llike is that much smaller: L_prior
has a sixteenth of its weight, and gamma is sixteen times the reference's. One
layer lower Dis_l has four times the features, and L_llike grows with them. The
learning rate falls once, after 250 steps, to 41 %; that of the reference has
fallen by 2 % then.
Command:
  python -m experiments.reproduce \
    --config=experiments/configs/deviations.py --workdir=runs/deviations
"""

import ml_collections

from experiments.configs import faces, reproduce_faces
from vaegan_jax.config import schema

_GAMMA = 16e-5


def get_config() -> ml_collections.ConfigDict:
  """Returns the reference at a small scale, and the changes."""
  config = reproduce_faces.get_config().unlock()
  del config.gan, config.models  # of comparisons of models
  config.training = schema.change(
    faces.get_config(),
    {
      'steps': 500,
      'gamma': _GAMMA,
      'prior_weight': 1 / 16,
      'width': 0.25,
      'data.size': (32, 32),
      'data.faces': 10_000,
      'log_every': 20,
      'picture_every': 250,
      'save_every': 250,
      'keep': 1,
    },
  )
  # The settings of each change, by its name.
  config.changes = ml_collections.ConfigDict(
    {
      'gamma_tenth': {'gamma': _GAMMA / 10},
      'gamma_tenfold': {'gamma': _GAMMA * 10},
      'one_layer_lower': {'discriminator': {'layer': 2}},
      'two_terms': {'reconstructions_judged': False},
      'no_equilibrium': {'equilibrium': False},
      'normalised_apart': {'joint_normalisation': False},
      'no_epsilon': {'log_epsilon': 0.0},
      'gan_reaches_enc': {'gan_reaches_encoder': True},
      'llike_reaches_dis': {'llike_reaches_discriminator': True},
    }
  )
  return config.lock()
