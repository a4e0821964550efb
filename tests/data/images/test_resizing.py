import numpy as np
import pytest
from scipy import ndimage

from vaegan_jax.data.images import resizing


def random_image(height, width, channels=3):
  generator = np.random.default_rng(height * 1000 + width)
  shape = (height, width, channels)
  return generator.integers(0, 256, shape, dtype=np.uint8)


def cubic_along(values, new_size):
  """Keys' interpolation of the leading axis, point by point."""
  size = len(values)
  result = []
  for i in range(new_size):
    place = (i + 0.5) * size / new_size - 0.5
    t = place - np.floor(place)
    p = [
      values[np.clip(int(np.floor(place)) + k, 0, size - 1)]
      for k in (-1, 0, 1, 2)
    ]
    result.append(p[1] + 0.5 * t * (
      p[2] - p[0] + t * (
        2 * p[0] - 5 * p[1] + 4 * p[2] - p[3]
        + t * (3 * (p[1] - p[2]) + p[3] - p[0])
      )
    ))  # fmt: skip
  return np.array(result)


def authors_resize(image, size):
  """Resizes as dataset/celeba.py, with scipy and NumPy."""
  sigma = np.sqrt(len(image) / size) / 2
  blurred = ndimage.gaussian_filter(
    image.astype(np.float64), (sigma, sigma, 0), mode='nearest'
  )
  down = cubic_along(blurred, size)
  across = cubic_along(down.transpose(1, 0, 2), size)
  return np.clip(np.rint(across.transpose(1, 0, 2)), 0, 255)


def test_148_to_64_is_the_authors_gaussian_and_cubic():
  image = random_image(148, 148)
  ours = resizing.resize(image, (64, 64)).astype(int)
  theirs = authors_resize(image, 64)
  difference = np.abs(ours - theirs)
  assert difference.max() <= 1  # a tie rounded the other way in float32
  assert (difference > 0).mean() < 1e-3


def test_the_blur_from_148_to_64_is_the_papers_0_76():
  assert resizing.sigma(148 / 64) == pytest.approx(0.76, abs=0.005)


@pytest.mark.parametrize('sizes', [(148, 64), (50, 64), (1000, 32), (64, 64)])
def test_weights_of_each_pixel_sum_to_one(sizes):
  weights = resizing.matrix(*sizes)
  assert weights.shape == sizes[::-1]
  np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-5)


def test_the_same_size_changes_nothing():
  image = random_image(24, 40)
  np.testing.assert_array_equal(resizing.resize(image, (24, 40)), image)


def test_mirroring_commutes_with_resizing():
  image = random_image(70, 53)
  mirrored = resizing.resize(image[:, ::-1], (16, 24))
  straight = resizing.resize(image, (16, 24))
  difference = mirrored[:, ::-1].astype(int) - straight
  assert np.abs(difference).max() <= 1


def test_a_large_reduction_does_not_alias():
  stripes = np.zeros((640, 640, 1), np.uint8)
  stripes[np.arange(640) % 32 < 16] = 255
  small = resizing.resize(stripes, (8, 8))[2:-2]
  assert np.ptp(small) <= 4


def test_overshoot_at_an_edge_is_clipped_not_wrapped():
  edge = np.zeros((8, 8, 1), np.uint8)
  edge[4:] = 255
  rows = resizing.resize(edge, (32, 32))[:, 0, 0].astype(int)
  assert (np.diff(rows) >= 0).all()


def test_enlarging_a_ramp_continues_the_ramp():
  ramp = np.arange(0, 128, 8, dtype=np.uint8)[:, None, None]
  large = resizing.resize(np.repeat(ramp, 16, 1), (32, 32))[4:-4, 0, 0]
  assert set(np.diff(large.astype(int))) == {4}


@pytest.mark.parametrize(
  ('shape', 'size', 'expected'),
  [
    ((100, 60), (64, 64), (60, 60)),
    ((60, 100), (64, 64), (60, 60)),
    ((100, 100), (32, 64), (50, 100)),
    ((1, 500), (64, 64), (1, 1)),
  ],
)
def test_the_crop_has_the_outputs_shape(shape, size, expected):
  assert resizing.crop(random_image(*shape), size).shape[:2] == expected


def test_the_crop_is_about_the_centre():
  image = np.zeros((20, 40, 1), np.uint8)
  image[:, 10:30] = 1
  assert resizing.crop(image, (8, 8)).min() == 1
