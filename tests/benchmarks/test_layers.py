"""The layers that are timed, against the networks."""

import jax

from benchmarks import layers
from experiments.configs import demo
from vaegan_jax.training import setup


def test_the_convolutions_have_the_kernels_of_the_networks():
  config = demo.get_config()
  state = setup.prepare(config).abstract_state
  kernels = sorted(
    x.shape
    for network in state.networks.values()
    for x in jax.tree.leaves(network.params)
    if x.ndim == 4
  )
  convolutions = layers.convolutions(config)
  assert sorted((5, 5, x.large, x.small) for x in convolutions) == kernels
