"""CelebA at 128x128: the reference with one more layer in each network.

Beyond the paper, whose images are 64x64: nothing here is the paper's but what
the reference has of it, and no run has been made with it.

Networks. Each has one strided layer more, so that the maps at the dense layers
are 8x8 as in the paper, and every dense layer has the paper's size. Maps of
full size have 32 channels as in the paper, and channels double with every
halving up to its 256. (Its 32, 128, 256 from the full size down would be 2.4
times the work in the strided layers of Dec and of Dis.)

Dis_l is the last strided convolution, as in the paper. Its units then see 65
of 128 pixels where the paper's see 33 of 64, the same half of a face, and it
has the same 8x8x256 features. What follows for the other settings:
  gamma stays. L_llike is a sum over features and L_GAN is not, so gamma goes
    as 1 / (number of features of Dis_l): for a layer of 16x16x256 it would be
    a quarter. L_prior, a sum over the same 128 dimensions, keeps its weight
    against L_llike for the same reason.
  The learning rate stays. RMSProp divides by the size of the gradient, and the
    new layers have no more inputs a unit than the paper's have.
  The steps stay, as a guess: larger images may want more.
Data: see the README. The face in an aligned image of CelebA is 148 pixels wide.
Command:
  python -m experiments.train --config=experiments/configs/celeba_128.py \
    --workdir=runs/celeba_128 --config.data.path=PATH
"""

import ml_collections

from experiments.configs import celeba
from vaegan_jax.config import schema


def get_config() -> ml_collections.ConfigDict:
  """Gives the reference at twice the size."""
  return schema.change(
    celeba.get_config(),
    {
      'encoder.channels': (64, 128, 256, 256),
      'decoder.channels': (256, 256, 128, 64, 32),
      'discriminator.channels': (32, 64, 128, 256, 256),
      'discriminator.layer': 4,
      'data.size': (128, 128),
    },
  )
