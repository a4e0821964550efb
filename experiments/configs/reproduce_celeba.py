"""The paper's comparison on CelebA, each model with the reference's settings.

Command:
  python -m experiments.reproduce \
    --config=experiments/configs/reproduce_celeba.py \
    --workdir=runs/reproduce_celeba --config.training.data.path=PATH
"""

import ml_collections

from experiments.configs import celeba


def get_config() -> ml_collections.ConfigDict:
  """Gives the paper's scale."""
  config = ml_collections.ConfigDict()
  config.training = celeba.get_config()  # of each model, but for the model
  config.gan = ml_collections.ConfigDict()  # what the GANs alone change of it
  config.seeds = 2  # runs of each model; a verdict needs two that agree
  config.images = 10_000  # test images measured, and samples
  config.runs = 25  # of the table: images of each attribute vector
  config.oracle_steps = 4_000  # batches of 128 that the oracle is trained for
  return config.lock()
