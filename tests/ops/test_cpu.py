"""The parts of the convolutions for a CPU; see also test_convolution.py."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vaegan_jax.ops.cpu import blocking, phases, winograd


@pytest.mark.parametrize('stride', [1, 2, 3])
def test_depth_to_space_inverts_space_to_depth(stride):
  x = np.arange(2 * 6 * 12 * 5).reshape(2, 6, 12, 5)
  split = phases.space_to_depth(jnp.asarray(x), stride)
  assert split.shape == (2, 6 // stride, 12 // stride, stride**2 * 5)
  np.testing.assert_array_equal(phases.depth_to_space(split, stride), x)
  np.testing.assert_array_equal(split[..., :5], x[:, ::stride, ::stride])


@pytest.mark.parametrize(
  ('size', 'stride', 'taps'),
  [(1, 1, 1), (3, 1, 3), (5, 1, 5), (3, 2, 3), (5, 2, 3), (7, 2, 5)],
)
def test_a_folded_kernel_has_every_tap_once(size, stride, taps):
  kernel = jnp.arange(1.0, size**2 * 6 + 1).reshape(size, size, 2, 3)
  folded = np.asarray(phases.fold(kernel, stride))
  assert folded.shape == (taps, taps, stride**2 * 2, 3)
  assert sorted(folded[folded != 0]) == sorted(np.ravel(kernel))


def products(jaxpr):
  """Counts the scalar products of the batched matrix products."""
  count = 0
  for equation in jaxpr.eqns:
    if equation.primitive.name == 'dot_general':
      (left, _), (batched, _) = equation.params['dimension_numbers']
      shape = equation.invars[0].aval.shape
      inner = np.prod([shape[axis] for axis in left])
      count += bool(batched) * inner * equation.outvars[0].aval.size
    for value in equation.params.values():
      if hasattr(value, 'jaxpr'):
        count += products(value.jaxpr)
  return count


def test_winograd_takes_nine_products_for_twenty_five():
  x, kernel = jnp.ones((1, 16, 16, 20)), jnp.ones((5, 5, 20, 24))
  y = jnp.ones((1, 8, 8, 24))
  as_written = 8 * 8 * 25 * 20 * 24
  for function, arguments in (
    (lambda x, k: winograd.convolve(x, k, stride=2), (x, kernel)),
    (lambda y, k: winograd.transpose(y, k, stride=2), (y, kernel)),
    (lambda x, y: winograd.weight_gradient(x, y, size=5, stride=2), (x, y)),
  ):
    taken = products(jax.make_jaxpr(function)(*arguments).jaxpr)
    assert taken * 25 == as_written * 9


def test_groups_divide_the_batch_and_come_close_to_the_aim():
  assert blocking.best_size(48, 64, target=1024) == 16
  assert blocking.best_size(48, 4, target=1024) == 48
  assert blocking.best_size(17, 4096, target=1024) == 1
  for batch in range(1, 40):
    assert batch % blocking.best_size(batch, 16, target=100) == 0
