"""The layers that are timed, against the networks."""

import jax

from benchmarks import layers
from experiments.configs import celeba, demo
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


def test_the_convolutions_of_the_reference_are_those_of_the_paper():
  found = {x.name: x for x in layers.convolutions(celeba.get_config())}
  for name, expected in {
    'Enc 1': (64, 3, 64, 1, 2),
    'Dec 1': (16, 256, 256, 2, 2),
    'Dec 4': (64, 32, 3, 2, 1),
    'Dis 0': (64, 3, 32, 3, 1),
    'Dis 3': (16, 256, 256, 3, 2),
  }.items():
    x = found[name]
    assert (x.size, x.large, x.small, x.streams, x.stride) == expected, name
