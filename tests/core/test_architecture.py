"""The networks are the paper's table, at every size and width."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vaegan_jax.core import architecture, layers


def initial(network, example):
  return jax.eval_shape(
    lambda key: network.init(key, example, train=False), jax.random.key(0)
  )


def count(tree):
  return sum(int(np.prod(x.shape)) for x in jax.tree.leaves(tree))


def test_parameter_counts_of_the_paper_at_64_pixels():
  nets = architecture.build((64, 64, 3))
  images, codes = jnp.zeros((1, 64, 64, 3)), jnp.zeros((1, 128))
  normalise = 2  # scale and bias a channel
  encoder = 25 * (3 * 64 + 64 * 128 + 128 * 256) + normalise * (64 + 128 + 256)
  encoder += 8 * 8 * 256 * 1024 + normalise * 1024 + 2 * (1024 * 128 + 128)
  decoder = 128 * 8 * 8 * 256 + normalise * 8 * 8 * 256
  decoder += 25 * (256 * 256 + 256 * 128 + 128 * 32)
  decoder += normalise * (256 + 128 + 32) + 25 * 32 * 3 + 3
  dis = 25 * 3 * 32 + 32 + 25 * (32 * 128 + 128 * 256 + 256 * 256)
  dis += normalise * (128 + 256 + 256)
  dis += 8 * 8 * 256 * 512 + normalise * 512 + 512 + 1
  counts = {
    name: count(initial(getattr(nets, name), example)['params'])
    for name, example in (
      ('encoder', images),
      ('decoder', codes),
      ('discriminator', images),
    )
  }
  assert counts == {
    'encoder': encoder,
    'decoder': decoder,
    'discriminator': dis,
  }
  assert counts == {
    'encoder': 18_071_360,
    'decoder': 4_693_155,
    'discriminator': 10_953_857,
  }


@pytest.mark.parametrize('shape', [(64, 64, 3), (32, 48, 1), (8, 8, 3)])
@pytest.mark.parametrize('width', [1.0, 0.25, 1.5])
def test_shapes_fit_at_any_size_and_width(shape, width):
  nets = architecture.build(shape, latent=7, width=width)
  images, codes = jnp.zeros((2, *shape)), jnp.zeros((2, 7))

  def run(key):
    made, _ = nets.decoder.init_with_output(key, codes, train=False)
    posterior, _ = nets.encoder.init_with_output(key, images, train=False)
    logits, _ = nets.discriminator.init_with_output(key, images, train=False)
    return made, posterior, logits

  made, (mean, log_var), logits = jax.eval_shape(run, jax.random.key(0))
  assert made.shape == images.shape
  assert mean.shape == log_var.shape == codes.shape
  assert logits.shape == (2,)


def test_dis_l_is_the_raw_output_of_the_third_strided_convolution():
  nets = architecture.build((64, 64, 3))
  images = jnp.zeros((2, 64, 64, 3))
  dis = nets.discriminator
  shapes = initial(dis, images)
  features = jax.eval_shape(
    lambda v: dis.apply(v, images, train=False, method=dis.features), shapes
  )
  assert features.shape == (2, 8, 8, 256)


def test_initial_weights_are_uniform_within_the_authors_bound():
  nets = architecture.build((16, 16, 3), width=0.5)
  variables = nets.encoder.init(
    jax.random.key(0), jnp.zeros((1, 16, 16, 3)), train=False
  )
  for layer, fan_in in (('convolution_2', 25 * 32), ('dense', 2 * 2 * 128)):
    kernel = variables['params'][layer]['kernel']
    bound = 1 / np.sqrt(3 * fan_in)
    assert np.abs(kernel).max() <= bound
    assert np.abs(kernel).max() > 0.99 * bound
    np.testing.assert_allclose(kernel.std(), bound / np.sqrt(3), rtol=0.02)


def test_running_statistics_keep_nine_tenths_of_the_old():
  layer = layers.BatchNormRelu()
  x = jnp.full((4, 2, 2, 3), 5.0)
  variables = layer.init(jax.random.key(0), x, train=False)
  _, changed = layer.apply(variables, x, train=True, mutable=['batch_stats'])
  statistics = changed['batch_stats']['batch_norm']
  np.testing.assert_allclose(statistics['mean'], 0.1 * 5, rtol=1e-6)
  np.testing.assert_allclose(statistics['var'], 0.9, rtol=1e-6)


@pytest.mark.parametrize(
  ('shape', 'changes', 'message'),
  [
    ((60, 64, 3), {}, 'multiples of 8'),
    ((64, 64, 4), {}, '1 or 3'),
    ((64, 64, 3), {'layer': 4}, 'no layer 4'),
    ((64, 64, 3), {'latent': 0}, 'positive'),
  ],
)
def test_settings_that_do_not_fit_are_refused(shape, changes, message):
  with pytest.raises(ValueError, match=message):
    architecture.build(shape, **changes)
