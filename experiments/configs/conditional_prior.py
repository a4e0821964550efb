"""Why does a conditional VAE/GAN follow requested attributes less than a VAE?

In the comparison (reproduce_faces.py) its codes carry more, 23 nats and not 17,
and what the code says of an attribute need not agree with the request. So here
L_prior alone is changed: more of it for the VAE/GAN, and less for the VAE, each
beside the run with the comparison's settings.
Command:
  python -m experiments.reproduce \
    --config=experiments/configs/conditional_prior.py \
    --workdir=runs/conditional_prior
"""

import ml_collections

from experiments.configs import reproduce_faces
from vaegan_jax.config import schema


def get_config() -> ml_collections.ConfigDict:
  """Returns the comparison's conditional VAE/GAN, and the changes."""
  config = reproduce_faces.get_config().unlock()
  del config.gan  # settings of GANs only
  config.training = schema.change(config.training, {'conditional': 'all'})
  config.changes = ml_collections.ConfigDict(
    {
      'prior_fourfold': {'prior_weight': 4.0},
      'vae': {'model': 'vae'},
      'vae_prior_quarter': {'model': 'vae', 'prior_weight': 0.25},
    }
  )
  return config.lock()
