"""LFW at 64x64, conditional on its 73 attribute scores: the table of the paper.

Data: see the README; config.data.path is the folder with
  lfw-deepfunneled.tgz, lfw_attributes.txt, peopleDevTrain.txt and
  peopleDevTest.txt.
Command:
  python -m experiments.train --config=experiments/configs/lfw.py \
    --workdir=runs/lfw --config.data.path=PATH

The paper gives no settings for LFW. The share of real images is that of the
authors' HEAD; all else is the reference.
"""

import ml_collections

from experiments.configs import celeba
from vaegan_jax.config import schema


def get_config() -> ml_collections.ConfigDict:
  """Returns the reference with LFW as data, conditional on all attributes."""
  return schema.change(
    celeba.get_config(),
    {
      'conditional': 'all',
      'data.source': 'lfw',
      'real_share': 0.33,
    },
  )
