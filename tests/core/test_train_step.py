"""A training step: updates, skipped networks, the average and its FLOPs."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests import small
from vaegan_jax.config import build
from vaegan_jax.core import (
  architecture,
  augmentation,
  objectives,
  optimizers,
  train_state,
  train_step,
)
from vaegan_jax.core.equilibrium import Equilibrium
from vaegan_jax.data import batches


def terms(real, generated):
  zero = jnp.zeros(())
  return objectives.Terms(
    zero, zero, jnp.array(real), jnp.array(generated), zero
  )


@pytest.mark.parametrize(
  ('real', 'generated', 'decoder', 'discriminator'),
  [
    (0.68, 0.68, True, True),
    (0.1, 0.68, True, False),  # Dis classifies real images too well
    (0.68, 0.1, True, False),
    (0.68, 1.5, False, True),  # Dec fools Dis too well
    (1.5, 0.68, False, True),
    (0.1, 1.5, True, True),  # both would be skipped, so neither is
  ],
)
def test_equilibrium_skips_the_winning_network(
  real, generated, decoder, discriminator
):
  allowed = Equilibrium().allowed(terms(real, generated))
  assert allowed['encoder']
  assert allowed['decoder'] == decoder
  assert allowed['discriminator'] == discriminator


@functools.cache
def prepared(**changes):
  config = small.config(**changes)
  nets = build.networks(config)
  made = build.make_optimizers(config)
  start = jax.jit(
    lambda: train_state.initialise(
      nets, made, key=jax.random.key(0), averaged=config.average_decay > 0
    )
  )()
  function = train_step.TrainStep(
    nets,
    made,
    objective=build.objective(config),
    augment=augmentation.make_augment(flips=True, jitters=False),
    equilibrium=build.equilibrium(config),
    average_decay=config.average_decay,
  )
  pixels = np.random.default_rng(0).integers(0, 256, (8, 16, 16, 3), np.uint8)
  return jax.jit(function), start, batches.Batch(jnp.asarray(pixels), None)


def test_skipped_network_keeps_parameters_and_optimizer_bit_for_bit():
  # A band far above any loss: Dis is always winning.
  run, start, batch = prepared(
    equilibrium=True, equilibrium_centre=90.0, equilibrium_margin=1.0
  )
  end, metrics = run(start, batch)
  old, new = (s.networks['discriminator'] for s in (start, end))
  assert metrics['discriminator/updated'] == 0
  assert new.updates == 0
  for part in ('params', 'opt_state'):
    jax.tree.map(
      np.testing.assert_array_equal, getattr(old, part), getattr(new, part)
    )
  for a, b in zip(
    jax.tree.leaves(old.batch_stats),
    jax.tree.leaves(new.batch_stats),
    strict=True,
  ):
    assert (a != b).any()
  assert end.networks['decoder'].updates == 1
  assert end.networks['encoder'].updates == 1


def test_every_network_has_a_finite_gradient_and_moves():
  run, start, batch = prepared()
  end, metrics = run(start, batch)
  assert end.step == 1
  for name in architecture.NAMES:
    assert np.isfinite(metrics[f'{name}/gradient_norm'])
    kernels = [
      (a != b).any()
      for a, b in zip(
        jax.tree.leaves(start.networks[name].params),
        jax.tree.leaves(end.networks[name].params),
        strict=True,
      )
    ]
    assert any(kernels)


def test_average_of_the_decoder_is_exponential():
  run, start, batch = prepared()
  # The average of a network with few updates moves faster.
  decoder = start.networks['decoder'].replace(updates=jnp.array(1000))
  start = start.replace(networks=start.networks | {'decoder': decoder})
  end, _ = run(start, batch)
  old, new = start.networks['decoder'], end.networks['decoder']
  expected = jax.tree.map(
    lambda a, b: 0.75 * a + 0.25 * b, old.average, new.variables()
  )
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7),
    new.average,
    expected,
  )


def test_a_step_is_a_function_of_state_and_batch():
  run, start, batch = prepared()
  one, two = run(start, batch), run(start, batch)
  for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(two), strict=True):
    assert (a == b).all()


def valid(size, stride):
  """Counts pairs of an output and a tap of 5 that lie inside the map."""
  before = (5 - stride) // 2
  outputs = stride * np.arange(size // stride)[:, None] - before
  places = outputs + np.arange(5)
  return int(((places >= 0) & (places < size)).sum())


def paper_flops():
  """Counts an image's multiplications and additions; docs/performance.md."""

  def conv(size, stride, channels, more):
    return 2 * valid(size, stride) ** 2 * channels * more

  # (layer, forward passes) a network: the first has no input gradient.
  encoder = [conv(64, 2, 3, 64), conv(32, 2, 64, 128), conv(16, 2, 128, 256)]
  encoder += [2 * 16384 * 1024, 2 * 1024 * 256]
  decoder = [conv(16, 2, 256, 256), conv(32, 2, 128, 256), conv(64, 2, 32, 128)]
  decoder += [conv(64, 1, 32, 3)]
  lower = [conv(64, 2, 32, 128), conv(32, 2, 128, 256), conv(16, 2, 256, 256)]
  upper = [2 * 16384 * 512, 2 * 512]
  first, dense = conv(64, 1, 3, 32), 2 * 128 * 16384
  # Forward and weight gradient everywhere, then the input gradients: of Enc
  # all but the first layer's; of Dec twice (for its own weights, and L_llike's
  # for Enc), the dense layer's only for z; of Dis above l once, below twice.
  total = 3 * sum(encoder) - encoder[0]
  total += 2 * 4 * sum(decoder) + 2 * 2 * dense + dense
  total += 3 * 3 * sum(upper) + 3 * 4 * sum(lower)
  total += 3 * 2 * first + 2 * 2 * first
  return total


@pytest.mark.slow
def test_a_step_takes_little_more_than_the_minimal_flops():
  nets = architecture.build((64, 64, 3))
  rate = optimizers.schedule(1, 1, steps=1, power=1, epoch=1)
  made = {n: optimizers.rmsprop(rate) for n in architecture.NAMES}
  start = jax.jit(
    lambda: train_state.initialise(nets, made, key=jax.random.key(0))
  )()
  function = train_step.TrainStep(
    nets,
    made,
    objective=objectives.Objective(),
    augment=augmentation.make_augment(flips=False, jitters=False),
    equilibrium=Equilibrium(),
  )
  size = 64
  pixels = jax.ShapeDtypeStruct((size, 64, 64, 3), jnp.uint8)
  lowered = (
    jax.jit(function)
    .trace(start, batches.Batch(pixels, None))
    .lower(lowering_platforms=('tpu',))
  )
  counted = lowered.cost_analysis()['flops'] / size
  assert 1 < counted / paper_flops() < 1.05
