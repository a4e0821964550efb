"""Large images: deeper networks by config, less memory, equal results."""

import dataclasses
import functools
import json
import tracemalloc

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend import core as jex

from experiments.configs import celeba, celeba_128, celeba_256
from tests import devices, small
from tests.data import numbered
from vaegan_jax.config import build, schema
from vaegan_jax.core import algorithm, architecture, forward, objectives, remat
from vaegan_jax.data import batches
from vaegan_jax.training import setup


def full_width(module):
  """Builds the networks of a config at full width."""
  config = schema.change(module.get_config(), {'data.source': 'faces'})
  return build.networks(config)


def variables(network, *inputs):
  return jax.eval_shape(
    functools.partial(network.init, train=True), jax.random.key(0), *inputs
  )


@functools.cache
def sizes(module):
  """Returns the shapes of Dis_l and of the kernels of all dense layers."""
  nets = full_width(module)
  images = jax.ShapeDtypeStruct((2, *nets.decoder.shape), jnp.float32)
  codes = jax.ShapeDtypeStruct((2, nets.latent), jnp.float32)
  dis = variables(nets.discriminator, images)
  features = jax.eval_shape(
    lambda v, x: nets.discriminator.apply(
      v, x, train=False, method=nets.discriminator.features
    ),
    dis,
    images,
  )
  encoder, decoder = (
    variables(nets.encoder, images),
    variables(nets.decoder, codes),
  )
  dense = [
    (name, layer['kernel'].shape)
    for network in (encoder, dis, decoder)
    for name, layer in network['params'].items()
    if 'kernel' in layer and layer['kernel'].ndim == 2
  ]
  return features.shape, dense


@pytest.mark.parametrize('large', [celeba_128, celeba_256])
def test_larger_images_keep_the_papers_dense_layers_and_dis_l(large):
  # Gamma weighs a sum over the features of Dis_l, so their number matters.
  features, dense = sizes(large)
  assert features == (2, 8, 8, 256)
  assert (features, dense) == sizes(celeba)
  assert large.get_config().gamma == celeba.get_config().gamma


@pytest.mark.parametrize('config', [celeba, celeba_128, celeba_256])
def test_dis_l_has_the_same_relative_receptive_field_at_every_size(config):
  nets = full_width(config)
  side = nets.decoder.shape[0]
  _, *rest = nets.discriminator.channels
  field, jump = 5, 1
  for _ in rest[: nets.discriminator.layer]:
    field, jump = field + 4 * jump, 2 * jump
  assert field == side // 2 + 1


def step_of(config, *, side):
  """Returns a run of narrow networks on small images, and a batch."""
  config = schema.change(
    config.get_config(),
    {
      'width': 0.03,
      'batch_size': 4,
      'data.source': 'faces',
      'data.path': '',
      'data.jitter': False,
      'data.size': (side, side),
    },
  )
  draw = np.random.default_rng(0)
  pixels = draw.integers(0, 256, (4, side, side, 3), np.uint8)
  run = setup.prepare(config, devices=jax.devices()[:1])
  return run, batches.Batch(jnp.asarray(pixels), None)


# The maps at the dense layers are 1x1 here instead of 8x8.
LARGE = [(celeba_128, 16), (celeba_256, 32)]


def test_a_step_of_the_largest_config_keeps_the_types_of_its_state():
  run, batch = step_of(celeba_256, side=32)
  before = run.abstract_state
  after, metrics = run.compiled.step.eval_shape(before, batch)
  assert jax.tree.structure(before) == jax.tree.structure(after)
  assert {value.shape for value in metrics.values()} == {()}


@pytest.mark.slow
@pytest.mark.parametrize(('config', 'side'), LARGE)
def test_a_step_of_large_configs_is_finite(config, side):
  run, batch = step_of(config, side=side)
  state, metrics = run.compiled.step(run.initialise(), batch)
  assert state.step == 1
  assert all(np.isfinite(value) for value in metrics.values())


def descend(*, recompute, **changes):
  """Evaluates Algorithm 1 for random networks."""
  config, draw = small.config(**changes), np.random.default_rng(0)
  nets = build.networks(config)
  images = draw.uniform(-1, 1, (8, *nets.decoder.shape)).astype(np.float32)
  codes = draw.normal(size=(2, 8, nets.latent)).astype(np.float32)
  given = {
    name: jax.tree.map(
      lambda x: draw.uniform(0.1, 0.5, x.shape).astype(np.float32),
      variables(network, codes[0] if name == 'decoder' else images),
    )
    for name, network in nets.present().items()
  }
  objective = build.objective(config)
  noise = forward.Noise(*map(jnp.asarray, codes))

  def run(variables, images):
    networks = forward.Forward(nets, variables, images, noise, objective)
    return algorithm.descend(networks, recompute=recompute)

  return jax.jit(run)(given, images)


# Normalises all streams of Dec together, or each stream on its own.
@pytest.mark.parametrize(
  'joint', [True, pytest.param(False, marks=pytest.mark.slow)]
)
def test_recomputing_changes_no_bit(joint):
  kept, again = (
    descend(recompute=recompute, joint_normalisation=joint, gamma=1e-2)
    for recompute in (False, True)
  )
  assert set(kept.gradients) == set(kept.batch_stats) == set(architecture.NAMES)
  jax.tree.map(np.testing.assert_array_equal, again, kept)


@pytest.mark.parametrize('joint', [True, False])
def test_a_recomputing_network_stores_no_activations_for_its_vjp(joint):
  decoder, latent = build.networks(small.config())[1], 5
  codes = {s: jnp.zeros((8, latent)) for s in ('x_tilde', 'x_p')}
  images = {s: jnp.zeros((8, *decoder.shape)) for s in codes}
  given = variables(decoder, codes['x_p'])

  def kept(recompute):
    def both(given, codes, cotangents):
      networks = forward.Forward(
        build.networks(small.config()),
        {'decoder': given},
        images['x_tilde'],
        forward.Noise(jnp.zeros((8, latent)), codes['x_p']),
        objectives.Objective(joint_normalisation=joint),
      )
      _, pull, _ = remat.vjp(
        networks.decode,
        given['params'],
        (codes['x_tilde'], codes['x_tilde']),
        recompute=recompute,
      )
      return pull(cotangents)

    program = jax.make_jaxpr(both)(given, codes, images).jaxpr
    return kept_between(program, streams=len(codes))

  # The posterior alone, or the activations as well.
  assert kept(True) == latent * 2 * 8 < 8 * 16 * 16 * 4 < kept(False)


def kept_between(program, *, streams):
  """Counts the numbers of the forward pass that the backward pass reads."""
  made = set(program.invars[-2 * streams : -streams])
  after, kept = set(program.invars[-streams:]), {}
  for equation in program.eqns:
    inputs = {v for v in equation.invars if isinstance(v, jex.Var)}
    if after & inputs:
      after.update(equation.outvars)
      kept |= {v: v.aval.size for v in made & inputs}
    elif made & inputs:
      made.update(equation.outvars)
  return sum(kept.values())


def flops(function, *arguments):
  lowered = function.trace(*arguments)
  return lowered.lower(lowering_platforms=('tpu',)).cost_analysis()['flops']


def test_recomputing_costs_a_second_forward_pass_of_enc_and_dec():
  config = small.config(
    joint_normalisation=True, non_saturating=False, average_decay=0.0
  )
  nets, batch = build.networks(config), 8

  def step(recompute):
    run = setup.prepare(
      schema.change(config, {'recompute': recompute}),
      devices=jax.devices()[:1],
    )
    pixels = jax.ShapeDtypeStruct((batch, *nets.decoder.shape), jnp.uint8)
    state = run.abstract_state
    return flops(run.compiled.step, state, batches.Batch(pixels, None))

  def once(network, *shape):
    x = jax.ShapeDtypeStruct(shape, jnp.float32)
    apply = functools.partial(network.apply, train=True, mutable='batch_stats')
    return flops(jax.jit(apply), variables(network, x), x)

  pass_of_both = once(nets.encoder, batch, *nets.decoder.shape)
  pass_of_both += once(nets.decoder, 2 * batch, nets.latent)
  extra = step(recompute=True) - step(recompute=False)
  np.testing.assert_allclose(extra, pass_of_both, rtol=0.02)


# In float64, neither the kink of a ReLU nor the order of a sum matters.
DEVICES = """
import json
import jax, jax.numpy as jnp, numpy as np, optax
jax.config.update('jax_enable_x64', True)
from tests import small
from vaegan_jax.config import build
from vaegan_jax.core import (
  architecture, augmentation, objectives, train_state, train_step)
from vaegan_jax.data import batches
from vaegan_jax.distributed import parallel

def update(gradients, kept, params=None, *, step):
  return jax.tree.map(jnp.zeros_like, gradients), gradients

# Its state is the last gradient.
keep = optax.GradientTransformationExtraArgs(
  lambda params: jax.tree.map(jnp.zeros_like, params), update)
nets = build.networks(small.config())
made = dict.fromkeys(architecture.NAMES, keep)
draw = np.random.default_rng(0)
batch = batches.Batch(draw.integers(0, 256, (16, 16, 16, 3), np.uint8), None)

def wide(tree):
  return jax.tree.map(
    lambda x: x.astype('float64') if x.dtype == 'float32' else x, tree)

def one(how, count, recompute):
  axis_name = parallel.AXIS_NAME if how == 'pmap' else None
  function = train_step.TrainStep(
    nets.with_dtype('float64').with_axis_name(axis_name), made,
    objective=objectives.Objective(gamma=1e-2),
    augment=augmentation.make_augment(flips=True, jitters=False),
    recompute=recompute)
  if axis_name:
    function = parallel.over_axis(function)
  compiled = parallel.compile_step(
    function, batch_size=16, devices=jax.devices()[:count], how=how)
  start = jax.jit(
    lambda: wide(train_state.initialise(nets, made, key=jax.random.key(0))),
    out_shardings=compiled.replicated)()
  fed = jax.tree.map(lambda x: jax.device_put(x, compiled.sharded), batch)
  end, _ = compiled.step(start, fed)
  return jax.device_get({
    f'{name} {part}': getattr(network, attribute)
    for name, network in end.networks.items()
    for part, attribute in (
      ('gradients', 'opt_state'), ('statistics', 'batch_stats'))})

def flat(tree):
  return np.concatenate([np.ravel(x) for x in jax.tree.leaves(tree)])

assert len(jax.devices()) == 8
alone, apart = one('jit', 1, False), {}
for how, count, recompute in (
  ('jit', 8, True), ('pmap', 2, False), ('pmap', 8, True)
):
  for name, tree in one(how, count, recompute).items():
    a, b = flat(tree), flat(alone[name])
    assert np.linalg.norm(b) > 0
    apart[f'{how} {count} {name}'] = float(
      np.linalg.norm(a - b) / np.linalg.norm(b))
print(json.dumps(apart))
"""


@pytest.mark.slow
def test_gradients_and_statistics_of_one_to_eight_devices_are_the_same():
  apart = json.loads(devices.run(DEVICES, count=8))
  assert len(apart) == 3 * 3 * 2
  assert all(distance < 1e-9 for distance in apart.values()), apart


def test_data_is_built_verified_and_read_without_a_copy_in_memory(tmp_path):
  @dataclasses.dataclass(frozen=True)
  class Grey(numbered.Numbered):
    def read(self, split, start, stop):
      shape = (stop - start, *self.size, self.channels)
      return np.broadcast_to(np.uint8(7), shape)  # takes no memory itself

  source = Grey(size=(128, 128), images=2048)
  tracemalloc.start()
  try:
    data = numbered.load(source, tmp_path)
    make = batches.Batches(data, seed=0, batch_size=8, resident=1 << 20)
    batch = make(0)
    _, peak = tracemalloc.get_traced_memory()
  finally:
    tracemalloc.stop()
  make.close()
  assert batch.pixels.shape == (8, 128, 128, 1)
  assert peak < data.images.nbytes / 20


@pytest.mark.parametrize(
  ('config', 'images', 'resident'),
  [
    (celeba, 182_637, True),
    (celeba_128, 182_637, False),
    (celeba_256, 30_000, False),
  ],
)
def test_data_too_large_for_the_devices_stays_on_the_host(
  config, images, resident
):
  # CelebA with its validation partition; CelebA-HQ.
  settings = config.get_config()
  size = images * np.prod(build.networks(settings).decoder.shape)
  assert (size <= settings.data.resident) == resident
