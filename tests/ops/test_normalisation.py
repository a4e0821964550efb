"""Batch normalisation and ReLU against those of Flax, and their memory."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from vaegan_jax.ops import normalisation

SHAPES = [(12, 5), (4, 6, 3, 5)]


def draw(shape):
  draw = np.random.default_rng(0)
  x = draw.normal(3, 2, size=shape)
  scale, bias = draw.normal(1, 0.3, size=(2, shape[-1]))
  return x, scale, bias, draw.normal(size=shape)


def theirs(x, scale, bias, epsilon):
  layer = nn.BatchNorm(use_running_average=False, epsilon=epsilon)
  variables = {
    'params': {'scale': scale, 'bias': bias},
    'batch_stats': {
      'mean': jnp.zeros_like(scale),
      'var': jnp.ones_like(scale),
    },
  }
  return layer.apply(variables, x, mutable='batch_stats')


@pytest.mark.usefixtures('float64')
@pytest.mark.parametrize('shape', SHAPES)
def test_normalise_and_its_gradients_are_those_of_flax(shape):
  *inputs, cotangent = (jnp.asarray(a) for a in draw(shape))

  @jax.jit
  def run(*inputs):
    ours = jax.vjp(
      lambda *a: normalisation.normalise(*a, 1e-5, None)[0], *inputs
    )
    flax = jax.vjp(lambda *a: theirs(*a, 1e-5)[0], *inputs)
    return [(y, *pull(cotangent)) for y, pull in (ours, flax)]

  for a, b in zip(*run(*inputs), strict=True):
    np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-11)


@pytest.mark.usefixtures('float64')
def test_running_statistics_are_those_of_flax():
  x, *_ = draw(SHAPES[1])
  x = jnp.asarray(x)
  for train in (True, False):
    ours = normalisation.BatchNorm(epsilon=1e-5)
    flax = nn.BatchNorm(momentum=0.9, epsilon=1e-5)
    start = ours.init(jax.random.key(0), x, train=False)
    start = jax.tree.map(lambda leaf: jnp.float64(leaf) + 0.5, start)
    a = ours.apply(start, x, train=train, mutable='batch_stats')
    b = flax.apply(
      start, x, use_running_average=not train, mutable='batch_stats'
    )
    jax.tree.map(
      lambda p, q: np.testing.assert_allclose(p, q, rtol=1e-9, atol=1e-11), a, b
    )


def kept(function, x):
  """Counts the numbers that a function saves for its gradient."""
  _, pull = jax.vjp(function, x)
  return sum(leaf.size for leaf in jax.tree.leaves(pull))


def test_a_normalisation_keeps_its_input_and_nothing_else_as_large():
  x, scale, bias, _ = (jnp.float32(a) for a in draw((64, 64, 5)))
  assert (
    x.size
    <= kept(lambda x: normalisation.normalise(x, scale, bias, 1e-5, None)[0], x)
    <= x.size + 10 * scale.size
  )


def test_relu_keeps_its_output_only_and_has_no_gradient_at_zero():
  x = jnp.array([-2.0, 0.0, 3.0, jnp.nan])
  y, pull = jax.vjp(normalisation.relu, x)
  np.testing.assert_array_equal(y, nn.relu(x))
  (gradient,) = pull(jnp.full(4, 7.0))
  np.testing.assert_array_equal(gradient, [0, 0, 7, 0])
  (saved,) = jax.tree.leaves(pull)
  np.testing.assert_array_equal(saved, y)
