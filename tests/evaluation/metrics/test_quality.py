"""Quality of pairs: by hand, against direct loops, and on cartoon faces."""

import numpy as np
import pytest
from scipy import ndimage

from vaegan_jax.data.sources import faces
from vaegan_jax.evaluation import features
from vaegan_jax.evaluation.metrics import quality


@pytest.fixture(scope='module')
def real():
  return faces.Faces((32, 32), train=64).read('train', 0, 64)


def noisy(pixels, sd):
  noise = np.random.default_rng(0).normal(0, sd, pixels.shape)
  return np.clip(pixels + noise, 0, 255).round().astype(np.uint8)


def blurred(pixels, sd):
  return ndimage.gaussian_filter(pixels, (0, sd, sd, 0))


def flat(pixels):
  """Makes features of the pixels themselves."""
  return (pixels.reshape(len(pixels), -1) / 255).astype(np.float32)


def compare(pixels, reference):
  return quality.compare_pairs(
    *(features.describe(x, flat) for x in (pixels, reference))
  )


def test_psnr_by_hand():
  reference = np.full((2, 4, 4, 3), 100, np.uint8)
  pixels = reference.copy()
  pixels[0] += 10
  pixels[1, 0, 0, 0] += 48  # 48^2 / 48 values: a mean square of 48
  np.testing.assert_allclose(
    quality.psnr(pixels, reference),
    [20 * np.log10(25.5), 10 * np.log10(255**2 / 48)],
  )


def test_psnr_of_equal_images_is_infinite(real):
  assert np.isposinf(quality.psnr(real, real)).all()


def test_ssim_agrees_with_the_formula_at_every_place(real):
  x, y = real[0, :13, :14], noisy(real, 20)[0, :13, :14]
  offsets = np.arange(-5, 6)
  weights = np.exp(-(offsets[:, None] ** 2 + offsets**2) / (2 * 1.5**2))
  weights /= weights.sum()
  values = []
  for top in range(3):
    for left in range(4):
      for colour in range(3):
        place = slice(top, top + 11), slice(left, left + 11), colour
        a, b = x[place].astype(float), y[place].astype(float)
        mean_a, mean_b = (weights * a).sum(), (weights * b).sum()
        variance_a = (weights * (a - mean_a) ** 2).sum()
        variance_b = (weights * (b - mean_b) ** 2).sum()
        covariance = (weights * (a - mean_a) * (b - mean_b)).sum()
        c1, c2 = 2.55**2, 7.65**2
        values.append(
          (2 * mean_a * mean_b + c1)
          / (mean_a**2 + mean_b**2 + c1)
          * (2 * covariance + c2)
          / (variance_a + variance_b + c2)
        )
  np.testing.assert_allclose(
    quality.ssim(x[None], y[None])[0], np.mean(values), rtol=1e-9
  )


def test_ssim_is_one_for_equal_images_and_falls_with_noise(real):
  np.testing.assert_allclose(quality.ssim(real, real), 1, rtol=1e-9)
  means = [quality.ssim(noisy(real, sd), real).mean() for sd in (5, 20, 60)]
  assert 1 > means[0] > means[1] > means[2]


def test_ssim_of_a_negative_is_negative():
  checks = (np.indices((16, 16)).sum(0) % 2 * 255).astype(np.uint8)
  checks = checks[None, :, :, None]
  assert quality.ssim(255 - checks, checks)[0] < -0.9


def test_high_frequencies_are_those_above_half_of_nyquist():
  """A wave counts where its frequency lies above: nearly all, or nothing."""
  places = np.arange(32) + 0.5

  def wave(frequency):  # in parts of Nyquist's
    row = 127 + 100 * np.cos(np.pi * frequency * places)
    return np.tile(row.astype(np.uint8)[:, None, None], (1, 1, 32, 1))

  reference = wave(0.75)
  assert quality.high_frequency_ratio(wave(0.25), reference) < 1e-3
  assert quality.high_frequency_ratio(wave(0.875), reference) == pytest.approx(
    1, abs=0.02
  )


def test_blur_lowers_and_noise_raises_the_high_frequency_ratio(real):
  half, other = real[:32], real[32:]
  assert quality.high_frequency_ratio(real, real) == pytest.approx(1)
  assert 0.5 < quality.high_frequency_ratio(half, other) < 2
  assert quality.high_frequency_ratio(blurred(real, 0.6), real) < 0.4
  assert quality.high_frequency_ratio(blurred(real, 1), real) < 0.1
  assert quality.high_frequency_ratio(noisy(real, 20), real) > 1.5


def test_the_border_of_a_ramp_is_no_edge():
  """A Fourier transform would see one."""
  ramp = np.tile(np.arange(0, 256, 8, np.uint8)[:, None], (1, 1, 32, 1))
  ramp = ramp.reshape(1, 32, 32, 1)
  noise = np.random.default_rng(0).integers(118, 138, (1, 32, 32, 1), np.uint8)
  assert quality.high_frequency_ratio(ramp, noise) < 0.02


def test_feature_distance_by_hand():
  reference = np.array([[0, 0], [3, 4]], np.float32)
  features = np.array([[0, 1], [3, 4]], np.float32)
  # Pairs are 1 and 0 apart, the originals 5.
  assert quality.feature_distance(features, reference) == pytest.approx(0.1)


def test_feature_distance_of_other_images_is_about_one(real):
  features = flat(real)
  swapped = np.random.default_rng(0).permutation(features)
  assert quality.feature_distance(features, features) == 0
  assert quality.feature_distance(swapped, features) == pytest.approx(
    1, abs=0.1
  )


def test_the_unit_of_feature_distance_is_that_of_all_pairs():
  draw = np.random.default_rng(0)
  # Classes lie side by side, as in a folder for each.
  features = np.repeat(draw.normal(size=(10, 4)), 40, axis=0)
  features = (features + draw.normal(size=(400, 4)) / 10).astype(np.float32)
  strangers = draw.permutation(features)
  found = quality.feature_distance(strangers, features)
  assert found == pytest.approx(1, abs=0.1)


def test_reconstructions_get_worse_with_noise_in_every_measure(real):
  mild, strong = (compare(noisy(real, sd), real) for sd in (5, 20))
  assert list(mild) == [
    'psnr',
    'ssim',
    'pixel_error',
    'feature_distance',
    'high_frequency_ratio',
  ]
  assert mild['psnr'] > strong['psnr']
  assert mild['ssim'] > strong['ssim']
  for name in ('pixel_error', 'feature_distance', 'high_frequency_ratio'):
    assert mild[name] < strong[name]
  assert mild['pixel_error'] == pytest.approx(5, rel=0.1)


def test_chunks_do_not_change_metrics(real, monkeypatch):
  other = noisy(real, 10)
  whole = compare(other, real)
  monkeypatch.setattr(quality, '_CHUNK', 10)
  parts = compare(other, real)
  assert parts == pytest.approx(whole, rel=1e-6)


def test_wrong_arguments_are_refused(real):
  with pytest.raises(ValueError, match='each image needs its original'):
    quality.psnr(real[:3], real)
  with pytest.raises(ValueError, match=r'8x8.*11x11'):
    quality.ssim(real[:, :8, :8], real[:, :8, :8])
  with pytest.raises(ValueError, match='one size'):
    quality.high_frequency_ratio(real[:, :16], real)
  with pytest.raises(ValueError, match='edges or texture'):
    quality.high_frequency_ratio(real, np.full_like(real, 77))
  with pytest.raises(ValueError, match='at least 2'):
    quality.feature_distance(flat(real[:1]), flat(real[:1]))
  with pytest.raises(ValueError, match='same features'):
    quality.feature_distance(*[np.zeros((3, 2), np.float32)] * 2)
