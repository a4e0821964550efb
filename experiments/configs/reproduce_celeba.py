"""The paper's comparison on CelebA, each model with the reference's settings.

Command:
  python -m experiments.reproduce \
    --config=experiments/configs/reproduce_celeba.py \
    --workdir=runs/reproduce_celeba --config.training.data.path=PATH
"""

import ml_collections

from experiments.configs import celeba


def get_config() -> ml_collections.ConfigDict:
  """Returns the paper's scale."""
  config = ml_collections.ConfigDict()
  config.training = celeba.get_config()  # of each model
  config.gan = ml_collections.ConfigDict()  # changes for the GANs only
  # All, or the names of some folders of a seed: vae,conditional_vae. VAE_Dis_l
  # needs the gan.
  config.models = 'all'
  config.seeds = 3  # runs per model; a verdict needs three that agree
  # Test images, and samples, to measure. The other half of the test partition
  # gives the row of real images, from which the oracle did not learn.
  config.images = 9_981
  config.runs = 25  # images per attribute vector, for the table
  config.oracle_steps = 4_000  # batches of 128 to train the oracle on
  return config.lock()
