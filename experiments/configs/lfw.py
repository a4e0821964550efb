"""LFW at 64x64, conditional on its 73 attribute scores: the table of the paper.

Data: see the README; config.data.path is the folder with
  lfw-deepfunneled.tgz, lfw_attributes.txt, peopleDevTrain.txt and
  peopleDevTest.txt (the lists may be .csv).
Command:
  python -m experiments.train --config=experiments/configs/lfw.py \
    --workdir=runs/lfw --config.data.path=PATH

The paper gives no settings for LFW (recalled). All are those of the reference,
the authors' commit 1906387. Their HEAD differs on LFW: the weight of L_llike is
1e-6 instead of 1e-5, the share of real images is 0.33 instead of 0.66, the
first learning rate is 0.01/64 instead of 0.02/64, and L_GAN has no term for
x_tilde. docs/deviations.md lists how the images differ.
"""

import ml_collections

from experiments.configs import celeba
from vaegan_jax.config import schema


def get_config() -> ml_collections.ConfigDict:
  """Returns the reference with LFW as data, conditional on all attributes."""
  return schema.change(
    celeba.get_config(), {'conditional': 'all', 'data.source': 'lfw'}
  )
