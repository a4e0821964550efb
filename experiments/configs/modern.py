"""A VAE/GAN with later remedies, for better pictures than the reference's.

One decoder, L_llike in Dis_l and three terms in L_GAN, as in the paper. The
remedies, each with its reason; docs/notes/pictures-log.md has the measurements:
  L_llike divides each channel of Dis_l by its root mean square over x, so that
    Dis does not choose the scale of L_llike, and adds a share of the error of
    pixels, which teaches colours and places long before Dis_l does.
  gamma is the ratio of the two gradients at Dec's images, whatever their scale.
  x, x_tilde and x_p have a batch normalisation each, and there is no rule of
    equilibrium: Dis would win by the statistics of a shared batch.
  Dec ascends log Dis of its images; Adam; pictures are those of an average.
  Dec and Enc are wider where maps are small, which costs little time.
The settings were chosen on the cartoon faces at a quarter of the width
(faces64.py), and compared with the reference's on CelebA at that width
(docs/results.md). At full width no long run has been made yet.
Data: as the reference; or --config.data.source=folder, or faces.
Command:
  python -m experiments.train --config=experiments/configs/modern.py \
    --workdir=runs/modern --config.data.path=PATH
"""

import ml_collections

from experiments.configs import celeba
from vaegan_jax.config import schema


def get_config() -> ml_collections.ConfigDict:
  """Returns the reference with the remedies."""
  return schema.change(
    celeba.get_config(),
    {
      'gamma': 0.7,
      'relative_gamma': True,
      'unit_features': True,
      # Dis_l has 32,768 features, and images 12,288 values.
      'pixel_weight': 28.0,
      'prior_weight': 4.0,
      'real_share': 1 / 3,
      'log_epsilon': 0.0,
      'non_saturating': True,
      'joint_normalisation': False,
      'equilibrium': False,
      'average_decay': 0.999,
      'encoder.channels': (128, 256, 512),
      'encoder.weight_decay': 0.0,
      'decoder.channels': (768, 512, 192, 128),
      'decoder.weight_decay': 0.0,
      'discriminator.channels': (32, 128, 256, 512),
      'discriminator.weight_decay': 0.0,
      'optimizer.name': 'adam',
      'optimizer.learning_rate': 1e-3,
      'optimizer.final_learning_rate': 5e-5,
      'optimizer.power': 1.0,
      'optimizer.epoch': 1,
      'optimizer.decay': 0.999,
      'optimizer.momentum': 0.5,
    },
  )
