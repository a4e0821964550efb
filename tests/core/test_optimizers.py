"""The optimizers against the authors' formulas, computed by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vaegan_jax.core import optimizers


def constant(rate):
  return optimizers.schedule(rate, rate, steps=1, power=1, epoch=1)


def test_rmsprop_has_epsilon_outside_the_root_and_starts_from_zero():
  params = {'dense': {'kernel': jnp.array([1.0, 1.0])}}
  gradients = {'dense': {'kernel': jnp.array([2.0, 1e-8])}}
  optimizer = optimizers.rmsprop(constant(0.1))
  updates, state = optimizer.update(
    gradients, optimizer.init(params), params, step=jnp.array(0)
  )
  # mean square 0.1 g^2; update -0.1 g / (sqrt(0.1) |g| + 1e-8).
  g = np.array([2.0, 1e-8])
  first = -0.1 * g / (np.sqrt(0.1) * g + 1e-8)
  np.testing.assert_allclose(updates['dense']['kernel'], first, rtol=1e-5)
  updates, _ = optimizer.update(gradients, state, params, step=jnp.array(1))
  second = -0.1 * g / (np.sqrt(0.19) * g + 1e-8)
  np.testing.assert_allclose(updates['dense']['kernel'], second, rtol=1e-5)


def test_weight_decay_is_a_gradient_of_kernels_but_not_of_heads_or_norms():
  head = {'kernel': jnp.array([3.0]), 'bias': jnp.array([3.0])}
  params = {
    'dense': {'kernel': jnp.array([3.0])},
    'mean': head,
    'log_var': head,
    'normalise_1': {'batch_norm': {'scale': jnp.array([3.0])}},
  }
  zero = jax.tree.map(jnp.zeros_like, params)
  optimizer = optimizers.rmsprop(constant(1.0), weight_decay=0.5)
  updates, state = optimizer.update(
    zero, optimizer.init(params), params, step=jnp.array(0)
  )
  # The gradient 2 * 0.5 * 3 = 3, normalised: -3 / (sqrt(0.1) * 3).
  np.testing.assert_allclose(
    updates['dense']['kernel'], -1 / np.sqrt(0.1), rtol=1e-5
  )
  for name in ('mean', 'log_var'):
    assert updates[name]['kernel'] == updates[name]['bias'] == 0
  assert updates['normalise_1']['batch_norm']['scale'] == 0
  # RMSProp hides the size of a first gradient; a second one of 3 + 3 shows it.
  three = zero | {'dense': {'kernel': jnp.array([3.0])}}
  updates, _ = optimizer.update(three, state, params, step=jnp.array(1))
  np.testing.assert_allclose(
    updates['dense']['kernel'], -6 / np.sqrt(0.09 * 9 + 0.1 * 36), rtol=1e-5
  )


@pytest.mark.usefixtures('float64')
def test_learning_rate_is_the_authors_in_each_epoch():
  rate = optimizers.schedule(
    0.02 / 64, 1e-5 / 64, steps=37_500, power=0.75, epoch=250
  )
  for step, epoch in ((0, 0), (249, 0), (250, 1), (37_499, 149)):
    expected = (0.02 - (epoch / 150) ** 0.75 * (0.02 - 1e-5)) / 64
    np.testing.assert_allclose(rate(step), expected, rtol=1e-9)


def test_the_learning_rate_stays_at_its_end_beyond_the_last_step():
  rate = optimizers.schedule(1e-3, 0.0, steps=100, power=1, epoch=10)
  assert rate(99) > 0
  assert rate(100) == rate(1_000) == 0


def test_equal_ends_make_a_constant_rate():
  rate = optimizers.schedule(3e-4, 3e-4, steps=100, power=0.75, epoch=10)
  np.testing.assert_allclose([rate(0), rate(55), rate(99)], 3e-4, rtol=1e-6)


def test_impossible_schedules_are_refused():
  with pytest.raises(ValueError, match='start > 0'):
    optimizers.schedule(-1.0, 0.0, steps=1, power=1, epoch=1)
