"""Faces at 256x256: celeba_128.py with yet another layer, for accelerators.

The same choices for the same reasons, as far from the paper, and never run to
an end either: maps of 8x8 at the dense layers, Dis_l the last strided
convolution, whose units see 129 of 256 pixels, the same gamma. Two more, for
memory: activations are bfloat16, and those of Enc and Dec are computed again
where the gradient wants them (docs/large.md).

Data: a folder of photographs, such as the 30,000 of CelebA-HQ. The aligned
images of CelebA itself show 148 pixels of a face: --config.data.source=celeba
enlarges them, and adds nothing that one could learn.
Command:
  python -m experiments.train --config=experiments/configs/celeba_256.py \
    --workdir=runs/celeba_256 --config.data.path=PATH
"""

import ml_collections

from experiments.configs import celeba_128
from vaegan_jax.config import schema


def get_config() -> ml_collections.ConfigDict:
  """Gives the reference at four times the size."""
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
