"""CelebA at 128x128: the reference with one more layer in each network.

Beyond the paper, whose images are 64x64. No run has been finished with this
config; docs/large.md has a check of 60 steps.

Networks. Each has one more strided layer, so that the maps at the dense layers
are 8x8 and every dense layer has the paper's size. Maps of full size have 32
channels as in the paper, and the channels double with every halving up to 256.
(The paper's 32, 128, 256 from the full size down would need 2.4 times the work
in the strided layers of Dec and Dis.)

Dis_l is the last strided convolution, as in the paper. Its units see 65 of 128
pixels, in the paper 33 of 64: the same half of a face. It has the same 8x8x256
features. This decides the other settings:
  gamma stays. L_llike is a sum over features and L_GAN is not, so gamma scales
    as 1 / (number of features of Dis_l): for a layer of 16x16x256 it would be
    a quarter. L_prior, a sum over the same 128 dimensions, keeps its weight
    against L_llike for the same reason.
  The learning rate stays. RMSProp divides by the size of the gradient, and the
    units of the new layers have no more inputs than those of the paper.
  The steps stay, as a guess: larger images may need more.
Data: see the README. The face in an aligned image of CelebA is 148 pixels wide.
Command:
  python -m experiments.train --config=experiments/configs/celeba_128.py \
    --workdir=runs/celeba_128 --config.data.path=PATH
"""

import ml_collections

from experiments.configs import celeba
from vaegan_jax.config import schema


def get_config() -> ml_collections.ConfigDict:
  """Returns the reference at twice the size."""
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
