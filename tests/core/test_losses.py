"""The losses against hand-computed values, Monte Carlo and extreme inputs."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vaegan_jax.core import losses


def test_prior_is_zero_for_a_standard_normal_posterior():
  assert losses.prior(jnp.zeros((1, 5)), jnp.zeros((1, 5))).item() == 0


@pytest.mark.usefixtures('float64')
def test_prior_of_a_shifted_and_a_narrow_posterior_by_hand():
  mean = jnp.array([[3.0, 0.0], [0.0, 0.0]])
  log_var = jnp.array([[0.0, 0.0], [math.log(4.0), 0.0]])
  # 3^2 / 2, and (4 - 1 - log 4) / 2.
  np.testing.assert_allclose(
    losses.prior(mean, log_var), [4.5, (3 - math.log(4)) / 2], rtol=1e-12
  )


def test_prior_agrees_with_monte_carlo():
  mean = jnp.array([0.3, -1.2, 0.0])
  log_var = jnp.array([-0.5, 0.4, -2.0])
  noise = jax.random.normal(jax.random.key(0), (400_000, 3))
  z = mean + jnp.exp(log_var / 2) * noise
  log_q = -0.5 * (noise**2 + log_var).sum(-1)
  log_p = -0.5 * (z**2).sum(-1)
  np.testing.assert_allclose(
    losses.prior(mean[None], log_var[None])[0],
    (log_q - log_p).mean(),
    rtol=5e-3,
  )


def test_llike_is_half_the_squared_distance_summed_over_features():
  x_l = jnp.zeros((2, 2, 2, 3))
  x_tilde_l = x_l.at[0, 0, 0, 0].set(3.0).at[0, 1, 1, 2].set(4.0)
  np.testing.assert_allclose(losses.llike(x_l, x_tilde_l), [12.5, 0])


@pytest.mark.usefixtures('float64')
def test_undecided_discriminator_costs_log_2_either_way():
  zero = jnp.zeros(1)
  np.testing.assert_allclose(losses.real(zero)[0], math.log(2), rtol=1e-12)
  np.testing.assert_allclose(losses.generated(zero)[0], math.log(2), rtol=1e-12)


@pytest.mark.usefixtures('float64')
def test_a_positive_logit_means_real():
  logits = jnp.array([math.log(3)])  # Dis = 3/4
  np.testing.assert_allclose(
    losses.real(logits)[0], -math.log(3 / 4), rtol=1e-12
  )
  np.testing.assert_allclose(
    losses.generated(logits)[0], -math.log(1 / 4), rtol=1e-12
  )


@pytest.mark.usefixtures('float64')
def test_epsilon_stands_inside_the_logarithm():
  logits = jnp.array([0.0])
  expected = -math.log(0.5 + 1e-3)
  for loss in (losses.real, losses.generated):
    np.testing.assert_allclose(
      loss(logits, epsilon=1e-3)[0], expected, rtol=1e-12
    )


@pytest.mark.parametrize('epsilon', [0.0, 1e-3])
@pytest.mark.parametrize('loss', [losses.real, losses.generated])
def test_extreme_logits_stay_finite_with_their_gradients(loss, epsilon):
  logits = jnp.array([-1e4, -200.0, 0.0, 200.0, 1e4])
  value = loss(logits, epsilon=epsilon)
  gradient = jax.grad(lambda x: loss(x, epsilon=epsilon).sum())(logits)
  assert np.isfinite(value).all()
  assert np.isfinite(gradient).all()


def test_losses_of_bfloat16_are_float32():
  x = jnp.ones((2, 3), jnp.bfloat16)
  assert losses.llike(x, x).dtype == jnp.float32
  assert losses.prior(x, x).dtype == jnp.float32
  assert losses.real(x[:, 0]).dtype == jnp.float32
