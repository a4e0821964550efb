"""The reference: CelebA at 64x64 as in the authors' commit 1906387.

Paper: Larsen et al., ICML 2016. The commit, "latest version on Arxiv", decides
what the paper leaves open, and where they differ: real_share, log_epsilon,
encoder.hidden and equilibrium. (P): the paper; (C): the commit.
Data: see the README; config.data.path is the folder with
  img_align_celeba.zip (or img_align_celeba/), list_eval_partition.txt and
  list_attr_celeba.txt.
Command:
  python -m experiments.train --config=experiments/configs/celeba.py \
    --workdir=runs/celeba --config.data.path=PATH

All other settings have the defaults of vaegan_jax/config/schema.py, which
docs/settings.md lists. Every other config is a delta of this one.
"""

import ml_collections

from vaegan_jax.config import schema


def get_config() -> ml_collections.ConfigDict:
  """Returns the paper's experiment."""
  return schema.make(
    {
      'model': 'vaegan',
      'steps': 37_500,  # 150 epochs of 250 (C)
      'batch_size': 64,  # (P)
      # The objective.
      'gamma': 1e-5,  # (C)
      'real_share': 0.66,  # (C); 1/3 in (P)
      'reconstructions_judged': True,  # (P, C)
      'log_epsilon': 1e-3,  # (C); 0 in (P)
      'joint_normalisation': True,  # (C)
      'equilibrium': True,  # (C)
      'equilibrium_centre': 0.68,  # (C)
      'equilibrium_margin': 0.35,  # (C)
      # The networks. Dis_l is the raw output of the last convolution.
      'latent_size': 128,  # (C)
      'encoder.channels': (64, 128, 256),  # (P)
      'encoder.hidden': 1024,  # (C); 2048 in (P)
      'encoder.weight_decay': 1e-5,  # (C)
      'decoder.channels': (256, 256, 128, 32),  # (P)
      'decoder.weight_decay': 1e-5,  # (C)
      'discriminator.channels': (32, 128, 256, 256),  # (P)
      'discriminator.hidden': 512,  # (P)
      'discriminator.layer': 3,  # (C)
      # For an L_GAN whose shares add up to 1; scaled as our L_GAN is.
      'discriminator.weight_decay': 1e-5,  # (C)
      # The optimizers.
      'optimizer.name': 'rmsprop',  # (P)
      'optimizer.learning_rate': 0.02 / 64,  # (C)
      'optimizer.final_learning_rate': 1e-5 / 64,  # (C)
      'optimizer.power': 0.75,  # (C)
      'optimizer.epoch': 250,  # (C)
      'optimizer.decay': 0.9,  # (C)
      # The data.
      'data.source': 'celeba',
      'data.size': (64, 64),  # (P)
      'data.flips': True,  # (C)
      'data.jitter': True,  # (C)
      'data.train_on_validation': True,  # (C)
    }
  )
