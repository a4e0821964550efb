"""Augmentation against colorsys, Keys' cubic and the authors' spreads."""

import colorsys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import ndimage

from vaegan_jax.core import augmentation
from vaegan_jax.data.images import resizing

KEY = jax.random.key(0)

# Compiled, because they take seconds operation by operation.
warp = jax.jit(augmentation.warp)
recolour = jax.jit(augmentation.recolour)
SETTINGS = ('translation', 'scale', 'rotation', 'gamma', 'contrast', 'hue')
jitter = jax.jit(augmentation.jitter, static_argnames=SETTINGS)


def draws(batch):
  return jax.random.normal(KEY, (batch, 7))


def noise(batch=3, height=12, width=12, channels=3):
  shape = (batch, height, width, channels)
  return jax.random.uniform(KEY, shape, minval=-1, maxval=1)


def smooth(batch=4, size=32):
  waves = np.random.default_rng(0).normal(size=(batch, size, size, 3))
  blurred = ndimage.gaussian_filter(waves, (0, 3, 3, 0), mode='nearest')
  return jnp.asarray(blurred / np.abs(blurred).max(), jnp.float32)


def test_pixels_survive_a_round_trip_through_images():
  pixels = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
  images = augmentation.to_images(jnp.asarray(pixels))
  assert (images.min(), images.max()) == (-1, 1)
  np.testing.assert_array_equal(augmentation.to_pixels(images), pixels)


def test_images_out_of_range_are_clipped_not_wrapped():
  images = jnp.array([-5.0, -1.001, 1.001, 5.0]).reshape(1, 2, 2, 1)
  pixels = augmentation.to_pixels(images)
  assert pixels.ravel().tolist() == [0, 0, 255, 255]


def test_flip_mirrors_about_half_of_the_images_and_keeps_the_others():
  images = noise(batch=400, height=2, width=4)
  flipped = np.asarray(augmentation.flip(images, draws(400)[:, 0]))
  kept = (flipped == images).all((1, 2, 3))
  mirrored = (flipped == images[:, :, ::-1]).all((1, 2, 3))
  assert (kept ^ mirrored).all()
  assert 150 < mirrored.sum() < 250


def still(batch):
  return {
    'shift': jnp.zeros((batch, 2)),
    'scale': jnp.ones(batch),
    'angle': jnp.zeros(batch),
  }


def test_no_warp_changes_nothing():
  images = noise()
  warped = warp(images, **still(3))
  np.testing.assert_allclose(warped, images, atol=1e-6)


def test_a_shift_by_whole_pixels_moves_and_repeats_the_border():
  images = noise()
  shift = jnp.array([[2.0, -3.0]] * 3)
  warped = warp(images, **(still(3) | {'shift': shift}))
  rows = np.clip(np.arange(12) + 2, 0, 11)
  columns = np.clip(np.arange(12) - 3, 0, 11)
  expected = np.asarray(images)[:, rows][:, :, columns]
  np.testing.assert_allclose(warped, expected, atol=1e-6)


def test_an_angle_of_half_pi_is_a_quarter_turn():
  images = noise()
  angle = jnp.full(3, jnp.pi / 2)
  warped = warp(images, **(still(3) | {'angle': angle}))
  turned = [np.rot90(images, k, (1, 2)) for k in (1, -1)]
  assert min(np.abs(warped - t).max() for t in turned) < 1e-4


def test_between_pixels_the_interpolation_is_keys_cubic():
  image = noise(batch=1, height=10, width=10, channels=1)
  settings = still(1) | {
    'shift': jnp.array([[0.3, -0.6]]),
    'scale': jnp.array([1.05]),
    'angle': jnp.array([0.1]),
  }
  warped = warp(image, **settings)
  expected = reference_warp(np.asarray(image[0, ..., 0]), (0.3, -0.6))
  np.testing.assert_allclose(warped[0, ..., 0], expected, atol=1e-5)


def reference_warp(image, shift, scale=1.05, angle=0.1):
  """Sums Keys' kernel over all pixels of an image with repeated edges."""
  size, border = len(image), 6
  padded = np.pad(image, border, mode='edge')
  at = np.arange(len(padded)) - border
  centre = (size - 1) / 2
  result = np.zeros_like(image)
  turn = scale * np.array(
    [[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]]
  )
  for row, column in np.ndindex(*image.shape):
    y, x = turn @ (row - centre, column - centre) + shift + centre
    weights = np.outer(resizing.keys(y - at), resizing.keys(x - at))
    result[row, column] = (weights * padded).sum()
  return np.clip(result, -1, 1)


def test_recolouring_agrees_with_colorsys():
  images = (noise() + 1) / 2
  gamma, contrast, hue = jnp.array([1.2, 0.8, 1.0]), 0.9, 0.3
  result = recolour(
    images, gamma=gamma, contrast=jnp.full(3, contrast), hue=jnp.full(3, hue)
  )
  for index in np.ndindex(3, 12, 12):
    colour = np.asarray(images[index]) ** np.asarray(gamma)[index[0]]
    h, s, v = colorsys.rgb_to_hsv(*colour.tolist())
    expected = colorsys.hsv_to_rgb((h + hue) % 1, s**contrast, v**contrast)
    np.testing.assert_allclose(result[index], expected, atol=1e-5)


@pytest.mark.parametrize('level', [0.0, 0.5, 1.0])
def test_grey_stays_grey_and_finite(level):
  images = jnp.full((2, 4, 4, 3), level)
  ones = jnp.ones(2)
  result = recolour(images, gamma=ones, contrast=ones, hue=ones)
  np.testing.assert_allclose(result, level, atol=1e-6)


def test_jitter_of_size_zero_changes_nothing():
  images = noise()
  jittered = jitter(images, draws(3), **dict.fromkeys(SETTINGS, 0.0))
  np.testing.assert_allclose(jittered, images, atol=1e-5)


@pytest.mark.parametrize('channels', [1, 3])
def test_jitter_is_small_in_range_and_different_for_each_image(channels):
  images = jnp.tile(smooth(1)[..., :channels], (8, 1, 1, 1))
  jittered = jitter(images, draws(8))
  assert jnp.abs(jittered).max() <= 1
  difference = jnp.abs(jittered - images).mean((1, 2, 3))
  assert (difference > 1e-3).all()
  assert (difference < 0.3).all()
  assert len(np.unique(np.asarray(difference))) == 8


def test_shifts_have_the_authors_spread():
  # The level of a ramp is proportional to the column, so it shows the shift.
  ramp = jnp.broadcast_to(
    jnp.linspace(-0.9, 0.9, 64)[None, :, None], (64, 64, 1)
  )
  images = jnp.tile(ramp, (500, 1, 1, 1))
  still_colours = {'gamma': 0.0, 'contrast': 0.0, 'hue': 0.0}
  moved = jitter(images, draws(500), **still_colours)
  shift = (moved - images)[:, 31:33, 31:33].mean((1, 2, 3)) / (1.8 / 63)
  assert np.std(shift) == pytest.approx(2 / 148 * 64, rel=0.1)


def test_jitters_have_the_authors_distributions(monkeypatch):
  given = {}

  def record(images, **arguments):
    given.update(arguments)
    return images

  monkeypatch.setattr(augmentation, 'warp', record)
  monkeypatch.setattr(augmentation, 'recolour', record)
  many = 20_000
  augmentation.jitter(jnp.zeros((many, 1, 1, 3)), draws(many))
  log_2 = np.log(2)
  expected = {  # mean and standard deviation
    'scale': (given['scale'], 1, 0.01),
    'angle': (given['angle'], 0, 0.01),
    'hue': (given['hue'], 0, 0.01),
    'gamma': (jnp.log(given['gamma']), 0.05**2 / log_2, 0.05 / log_2),
    'contrast': (jnp.log(given['contrast']), 0.05**2 / log_2, 0.05 / log_2),
  }
  for name, (values, mean, deviation) in expected.items():
    tolerance = 3 * deviation / np.sqrt(many)
    assert values.mean() == pytest.approx(mean, abs=tolerance), name
    assert values.std() == pytest.approx(deviation, rel=0.02), name
