"""The two convolutions against lax, finite differences, and each other.

In float64, whose rounding is far below every tolerance on every processor.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from jax.test_util import check_grads

from vaegan_jax.ops import convolution
from vaegan_jax.ops.cpu import patches, winograd

# Few and many channels of both maps, which reach every implementation.
CASES = [
  (5, 1, (3, 8)),
  (5, 1, (9, 4)),
  (1, 1, (2, 3)),
  (3, 1, (2, 3)),
  (7, 1, (2, 3)),
  (5, 2, (3, 8)),
  (7, 2, (3, 2)),
  (5, 2, (18, 20)),
  (3, 2, (17, 17)),
  (3, 1, (20, 18)),
  (5, 1, (18, 18)),
]


pytestmark = pytest.mark.usefixtures('float64')


@pytest.fixture(params=['whole batch', 'chunks'])
def chunking(request, monkeypatch):
  # Small maps as large ones.
  monkeypatch.setattr(convolution, '_MAX_LAX_VALUES', 0)
  if request.param == 'chunks':  # of one image
    monkeypatch.setattr(patches, '_TARGET_ROWS', 1)
    monkeypatch.setattr(winograd, '_MAX_TARGET_ROWS', 1)


def make(kernel, stride, channels):
  large, small = channels
  draw = np.random.default_rng(kernel + stride).normal
  x = draw(size=(3, 8, 12, large))
  weights = draw(size=(kernel, kernel, large, small))
  y = draw(size=(3, 8 // stride, 12 // stride, small))
  return tuple(jnp.asarray(array) for array in (x, weights, y))


def plain(x, weights, stride):
  return lax.conv_general_dilated(
    x,
    weights,
    (stride, stride),
    'SAME',
    dimension_numbers=('NHWC', 'HWIO', 'NHWC'),
  )


def with_gradients(function):
  """Returns (maps, weights, cotangent) -> output and both gradients."""

  @jax.jit
  def run(maps, weights, cotangent):
    output, pull = jax.vjp(function, maps, weights)
    return output, *pull(cotangent)

  return run


def close(a, b):
  scale = np.abs(b).max()
  np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-12 * scale)


@pytest.mark.usefixtures('chunking')
@pytest.mark.parametrize(('kernel', 'stride', 'channels'), CASES)
def test_convolve_and_its_gradients_are_those_of_lax(kernel, stride, channels):
  x, weights, y = make(kernel, stride, channels)
  expected = with_gradients(lambda x, w: plain(x, w, stride))(x, weights, y)
  actual = with_gradients(lambda x, w: convolution.convolve(x, w, stride))(
    x, weights, y
  )
  jax.tree.map(close, actual, expected)


@pytest.mark.usefixtures('chunking')
@pytest.mark.parametrize(('kernel', 'stride', 'channels'), CASES)
def test_transpose_and_its_gradients_are_those_of_lax(kernel, stride, channels):
  x, weights, y = make(kernel, stride, channels)

  def reference(y, weights):
    return jax.linear_transpose(lambda x: plain(x, weights, stride), x)(y)[0]

  expected = with_gradients(reference)(y, weights, x)
  actual = with_gradients(lambda y, w: convolution.transpose(y, w, stride))(
    y, weights, x
  )
  jax.tree.map(close, actual, expected)


def test_transpose_is_the_adjoint_of_convolve():
  x, weights, y = make(5, 2, (3, 8))
  inner = jnp.vdot(convolution.convolve(x, weights, 2), y)
  other = jnp.vdot(x, convolution.transpose(y, weights, 2))
  np.testing.assert_allclose(inner, other, rtol=1e-9)


@pytest.mark.parametrize('stride', [1, 2])
def test_gradients_of_both_orders_agree_with_finite_differences(stride):
  x, weights, y = make(5, stride, (2, 3))
  for function, maps in ((convolution.convolve, x), (convolution.transpose, y)):
    check_grads(
      jax.jit(lambda m, w, f=function: jnp.sin(f(m, w, stride))),
      (maps[:1, :4, :4], weights),
      order=2,
      modes=['rev'],
      rtol=1e-5,
      atol=1e-5,
    )


def test_accelerators_run_the_convolutions_of_lax():
  x, weights, _ = make(5, 2, (3, 8))

  def loss(x, weights):
    return convolution.convolve(x, weights, 2).sum()

  exported = jax.export.export(
    jax.jit(jax.grad(loss, argnums=(0, 1))), platforms=['cuda']
  )(x, weights)
  assert 'while' not in exported.mlir_module()
  assert 'lhs_dilate = [2, 2]' in exported.mlir_module()


def test_winograd_in_float32_rounds_to_two_millionths():
  draw = np.random.default_rng(0).normal
  x = draw(size=(4, 16, 16, 64))
  weights = draw(size=(5, 5, 64, 64))
  expected = np.asarray(plain(jnp.asarray(x), jnp.asarray(weights), 2))
  actual = winograd.convolve(jnp.float32(x), jnp.float32(weights), stride=2)
  error = np.linalg.norm(np.asarray(actual) - expected)
  assert error < 2e-6 * np.linalg.norm(expected)


@pytest.mark.parametrize('shape', [(1, 7, 8, 3), (1, 8, 7, 3)])
def test_odd_maps_of_few_channels_are_convolved_with_stride_one(shape):
  x = jnp.asarray(np.random.default_rng(0).normal(size=shape))
  _, weights, _ = make(5, 1, (3, 8))
  close(convolution.convolve(x, weights, 1), plain(x, weights, 1))


def test_odd_maps_are_refused():
  x, weights, _ = make(5, 2, (3, 8))
  with pytest.raises(ValueError, match='multiples'):
    convolution.convolve(x[:, :7], weights, 2)


@pytest.mark.usefixtures('unchecked')
def test_other_kernels_and_strides_are_refused():
  x, weights, _ = make(5, 2, (3, 8))
  with pytest.raises(ValueError, match='odd square'):
    convolution.convolve(x, weights[:4], 2)
  with pytest.raises(ValueError, match='stride 3'):
    convolution.convolve(x, weights, 3)
