"""Dtypes of a bfloat16 step, and the distance of its gradients."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from tests import small
from vaegan_jax.config import build
from vaegan_jax.core import algorithm, architecture, forward
from vaegan_jax.data import batches
from vaegan_jax.ops import normalisation
from vaegan_jax.training import setup

BATCH, SHAPE = 8, (16, 16, 3)


@functools.cache
def shallow(**changes):
  """Returns a config of one strided layer per network, of all layer types."""
  return small.config(
    latent_size=16,
    encoder__channels=(16,),
    encoder__hidden=32,
    decoder__channels=(16, 8),
    discriminator__channels=(8, 16),
    discriminator__layer=1,
    discriminator__hidden=32,
    joint_normalisation=True,
    gamma=1e-2,
    **changes,
  )


@functools.cache
def traced(dtype):
  """Returns a traced step, not compiled, and the abstract state."""
  run = setup.prepare(shallow(dtype=dtype))
  state = run.abstract_state
  pixels = jax.ShapeDtypeStruct((BATCH, *SHAPE), jnp.uint8)
  return run.compiled.step.trace(state, batches.Batch(pixels, None)), state


def operations(jaxpr):
  """Yields the operations of a program and of all programs inside it."""
  for equation in jaxpr.eqns:
    yield equation
    for inner in jax.tree.leaves(
      list(equation.params.values()),
      is_leaf=lambda x: isinstance(x, jax.extend.core.ClosedJaxpr),
    ):
      if isinstance(inner, jax.extend.core.ClosedJaxpr):
        yield from operations(inner.jaxpr)
      elif isinstance(inner, jax.extend.core.Jaxpr):
        yield from operations(inner)


def products(dtype, primitive):
  """Lists the operands' dtypes of all operations of a primitive in a step."""
  return [
    tuple(str(v.aval.dtype) for v in operation.invars[:2])
    for operation in operations(traced(dtype)[0].jaxpr.jaxpr)
    if operation.primitive.name == primitive
  ]


@pytest.mark.parametrize('dtype', ['float32', 'bfloat16'])
def test_every_convolution_has_the_configured_dtype(dtype):
  found = products(dtype, 'conv_general_dilated')
  assert len(found) > 10
  assert set(found) == {(dtype, dtype)}


def test_every_sum_is_of_float32():
  # A sum over all pixels of a batch in bfloat16 stops growing.
  found = products('bfloat16', 'reduce_sum')
  assert len(found) > 10
  assert set(found) <= {('float32',), ('int32',), ('uint32',)}


def test_only_heads_multiply_in_float32():
  found = products('bfloat16', 'dot_general')
  # Mean, log variance and logit: forward, and twice backward; the logit twice
  # more, for the images.
  assert found.count(('float32', 'float32')) == 3 * 3 + 2
  assert found.count(('bfloat16', 'bfloat16')) > 10


def test_state_and_metrics_stay_float32():
  step, state = traced('bfloat16')
  new, metrics = step.out_info
  assert {str(x.dtype) for x in metrics.values()} <= {'float32', 'int32'}
  for old, made in zip(
    jax.tree.leaves(state), jax.tree.leaves(new), strict=True
  ):
    assert (made.shape, made.dtype) == (old.shape, old.dtype)
  for network in new.networks.values():
    for part in (network.params, network.batch_stats, network.average):
      assert all(x.dtype == jnp.float32 for x in jax.tree.leaves(part))
    floats = [
      x.dtype
      for x in jax.tree.leaves(network.opt_state)
      if jnp.issubdtype(x.dtype, jnp.floating)
    ]
    assert floats
    assert set(floats) == {jnp.dtype('float32')}


@functools.cache
def descent(dtype):
  nets = build.networks(shallow()).with_dtype(dtype)
  draw = np.random.default_rng(1)
  images = draw.uniform(-1, 1, (BATCH, *SHAPE)).astype(np.float32)
  noise = draw.normal(size=(2, BATCH, nets.latent)).astype(np.float32)
  state = setup.prepare(shallow()).initialise()
  return jax.jit(
    lambda variables: algorithm.descend(
      forward.Forward(
        nets,
        variables,
        jnp.asarray(images),
        forward.Noise(*jnp.asarray(noise)),
        build.objective(shallow()),
      )
    )
  )({name: network.variables() for name, network in state.networks.items()})


def vector(tree):
  leaves = [np.ravel(x).astype(np.float64) for x in jax.tree.leaves(tree)]
  return np.concatenate(leaves)


def test_bfloat16_changes_gradients_by_rounding_only(monkeypatch):
  # Softplus, because ReLU's gradient jumps where rounding changes the sign of
  # an activation: by a seventh of its norm here, which would hide mistakes.
  # With statistics in bfloat16 Dec's gradient changes three times as much.
  monkeypatch.setattr(normalisation, 'relu', nn.softplus)
  full, half = descent('float32'), descent('bfloat16')
  for name in architecture.NAMES:
    a, b = vector(full.gradients[name]), vector(half.gradients[name])
    cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
    assert cosine > 0.998, name
    assert np.linalg.norm(a - b) < 0.06 * np.linalg.norm(a), name
    statistics = (vector(d.batch_stats[name]) for d in (full, half))
    np.testing.assert_allclose(*statistics, rtol=0, atol=4e-4)
  jax.tree.map(
    lambda a, b: np.testing.assert_allclose(b, a, rtol=5e-3),
    full.terms,
    half.terms,
  )


def test_images_of_a_bfloat16_network_are_float32():
  nets = build.networks(shallow()).with_dtype('bfloat16')
  codes = jax.ShapeDtypeStruct((BATCH, nets.latent), jnp.float32)
  images = jax.ShapeDtypeStruct((BATCH, *SHAPE), jnp.float32)

  def run(key, codes, images):
    made = nets.decoder.init_with_output(key, codes, train=False)[0]
    heads = nets.encoder.init_with_output(key, images, train=False)[0]
    logits = nets.discriminator.init_with_output(key, images, train=False)[0]
    return made, heads, logits

  found = jax.eval_shape(run, jax.random.key(0), codes, images)
  assert {x.dtype for x in jax.tree.leaves(found)} == {jnp.dtype('float32')}
