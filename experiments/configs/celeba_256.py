"""Faces at 256x256: celeba_128.py with one more layer, for accelerators.

Beyond the paper; no run has been finished with this config. The choices and
their reasons are those of celeba_128.py: maps of 8x8 at the dense layers, Dis_l
the last strided convolution, whose units see 129 of 256 pixels, and the same
gamma. Two more save memory: activations are bfloat16, and those of Enc and Dec
are recomputed for the gradients (docs/large.md).

Data: a folder of photographs, such as the 30,000 of CelebA-HQ. In the aligned
images of CelebA itself a face is 148 pixels wide: --config.data.source=celeba
only enlarges them.
Command:
  python -m experiments.train --config=experiments/configs/celeba_256.py \
    --workdir=runs/celeba_256 --config.data.path=PATH
"""

import ml_collections

from experiments.configs import celeba_128
from vaegan_jax.config import schema


def get_config() -> ml_collections.ConfigDict:
  """Returns the reference at four times the size."""
  return schema.change(
    celeba_128.get_config(),
    {
      'encoder.channels': (64, 128, 256, 256, 256),
      'decoder.channels': (256, 256, 256, 128, 64, 32),
      'discriminator.channels': (32, 64, 128, 256, 256, 256),
      'discriminator.layer': 5,
      'data.source': 'folder',
      'data.size': (256, 256),
      'dtype': 'bfloat16',
      'recompute': True,
    },
  )
