"""Distances of sets: by hand, against references, and on flawed faces."""

import numpy as np
import pytest
from scipy import linalg, ndimage, stats

from vaegan_jax.data.sources import faces
from vaegan_jax.evaluation import features
from vaegan_jax.evaluation.features import random_network
from vaegan_jax.evaluation.metrics import distances, pyramids

N = 300


def normal(*shape, seed=0):
  return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def points(*values):
  return np.array(values, np.float32).reshape(len(values), -1)


def exact(mean, covariance, n, seed):
  """Draws points with this sample mean and covariance."""
  x = normal(n, len(mean), seed=seed).astype(float)
  x -= x.mean(0)
  x = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x.T))).T
  return (x @ np.linalg.cholesky(covariance).T + mean).astype(np.float32)


def test_frechet_of_two_gaussians_by_hand():
  a = exact([0, 0], np.diag([1.0, 4.0]), 100, 1)
  b = exact([3, 4], np.diag([9.0, 1.0]), 150, 2)
  # |mean|^2 = 25; per axis (sd - sd')^2 = (1 - 3)^2 and (2 - 1)^2.
  assert distances.frechet(a, b) == pytest.approx(25 + 4 + 1, rel=1e-5)


@pytest.mark.parametrize(('n', 'm', 'dims'), [(90, 70, 12), (20, 15, 30)])
def test_frechet_agrees_with_the_matrix_square_root(n, m, dims):
  """Covers singular covariances, where scipy's root is complex."""
  mix = normal(dims, dims, seed=5)
  a, b = normal(n, dims, seed=1), normal(m, dims, seed=2) @ mix + 0.5
  c, d = np.cov(a.astype(float).T), np.cov(b.astype(float).T)
  # A ridge on both keeps the root exact; its effect is below the tolerance.
  ridge = 1e-9 * np.eye(dims)
  root = linalg.sqrtm((c + ridge) @ (d + ridge))
  expected = np.square(a.mean(0) - b.mean(0)).sum()
  expected += np.trace(c) + np.trace(d) - 2 * np.trace(root).real
  assert distances.frechet(a, b) == pytest.approx(expected, rel=1e-4)


def test_frechet_of_a_set_and_itself_is_zero_and_it_is_symmetric():
  a, b = normal(30, 50), 2 * normal(25, 50, seed=1)
  assert 0 <= distances.frechet(a, a) < 1e-9
  assert distances.frechet(a, b) == pytest.approx(distances.frechet(b, a))


def test_kernel_agrees_with_a_loop_over_pairs():
  a, b = normal(7, 3), normal(5, 3, seed=1) + 1

  def k(x, y):
    return (float(x @ y) / 3 + 1) ** 3

  def within(s):
    pairs = [(i, j) for i in range(len(s)) for j in range(len(s)) if i != j]
    return np.mean([k(s[i], s[j]) for i, j in pairs])

  across = np.mean([k(x, y) for x in a for y in b])
  assert distances.kernel(a, b) == pytest.approx(
    within(a) + within(b) - 2 * across, rel=1e-5
  )


def test_kernel_is_unbiased():
  """Frechet distances of small sets are biased, these are not."""
  values = [
    distances.kernel(normal(20, 4, seed=i), normal(20, 4, seed=-i % 997))
    for i in range(1, 200)
  ]
  error = np.std(values) / np.sqrt(len(values))
  assert abs(np.mean(values)) < 3 * error
  assert min(values) < 0 < max(values)


def test_prdc_by_hand_on_a_line():
  reference = points(0, 1, 2, 10)  # radii of 1 neighbour: 1, 1, 1, 8
  samples = points(0.5, 2.5, 30)  # radii: 2, 2, 27.5
  result = distances.prdc(samples, reference, neighbours=1)
  # 0.5 lies in the balls of 0 and 1; 2.5 in those of 2 and 10. Every ball
  # holds a sample; 10 lies in the ball of 30 alone.
  expected = {'precision': 2 / 3, 'recall': 1, 'density': 4 / 3, 'coverage': 1}
  assert result._asdict() == pytest.approx(expected)


def test_prdc_by_hand_in_a_plane():
  reference = points([0, 0], [0, 3], [4, 0])  # to the 2nd: 4, 5, 5
  samples = points([1, 0], [1, 1], [9, 0])  # to the 2nd: 8, sqrt 65, sqrt 65
  result = distances.prdc(samples, reference, neighbours=2)
  # (1, 0) and (1, 1) lie in all balls, (9, 0) in that of (4, 0): on its edge.
  density = (3 + 3 + 1) / (2 * 3)
  expected = {'precision': 1, 'recall': 1, 'density': density, 'coverage': 1}
  assert result._asdict() == pytest.approx(expected)


def test_prdc_is_full_for_equal_sets_and_zero_for_distant_ones():
  x = normal(60, 4)
  # Each point lies in its own ball and, on average, in five others.
  assert distances.prdc(x, x) == pytest.approx((1, 1, 6 / 5, 1))
  assert distances.prdc(x + 100, x) == (0, 0, 0, 0)


def test_density_and_coverage_are_robust_to_an_outlier_of_the_reference():
  """Precision is not; Naeem et al. proposed the other two for this."""
  reference = np.concatenate([normal(50, 2), points([1000, 0])])
  samples = normal(50, 2) + np.float32([500, 0])
  result = distances.prdc(samples, reference)
  assert result.precision == 1
  assert result.coverage < 0.05
  assert result.density == pytest.approx(1 / 5)


def test_chunks_do_not_change_distances(monkeypatch):
  a, b = normal(50, 6), normal(41, 6, seed=1) + 0.3
  at_once = distances.kernel(a, b), *distances.prdc(a, b)
  monkeypatch.setattr(distances, '_ROWS', 7)
  in_chunks = distances.kernel(a, b), *distances.prdc(a, b)
  np.testing.assert_allclose(in_chunks, at_once, rtol=1e-9)


def test_a_pyramid_adds_up_to_the_image():
  pixels = np.random.default_rng(0).integers(0, 256, (2, 64, 48, 3), np.uint8)
  levels = pyramids.laplacian(pixels)
  assert [level.shape[1:3] for level in levels] == [(64, 48), (32, 24)]
  image = pyramids.enlarge(levels[1]) + levels[0]
  np.testing.assert_allclose(image, pixels, atol=1e-3)


def test_a_flat_image_is_zero_in_all_levels_but_the_last():
  first, last = pyramids.laplacian(np.full((1, 32, 32, 3), 90, np.uint8))
  np.testing.assert_allclose(first, 0, atol=1e-4)
  np.testing.assert_allclose(last, 90, rtol=1e-6)


def test_patches_are_cut_from_each_image_in_turn():
  maps = np.arange(3, dtype=np.float32).repeat(20 * 16 * 2)
  cut = pyramids.cut(
    maps.reshape(3, 20, 16, 2), 7, generator=np.random.default_rng(0)
  )
  assert cut.shape == (7, 49, 2)
  np.testing.assert_array_equal(cut[:, 0, 0], [0, 1, 2, 0, 1, 2, 0])


def test_sliced_wasserstein_of_patches_agrees_with_scipy():
  """The unit is the standard deviation of the reference."""
  ours, theirs = normal(60, 4, 2), 3 * normal(60, 4, 2, seed=1) + 5
  slices = pyramids._directions(8, 10, np.random.default_rng(0))
  np.testing.assert_allclose(np.linalg.norm(slices, axis=1), 1, rtol=1e-6)
  mean, sd = theirs.mean((0, 1)), theirs.std((0, 1))
  expected = [
    stats.wasserstein_distance(
      *(((p - mean) / sd).reshape(60, 8) @ s for p in (ours, theirs))
    )
    for s in slices
  ]
  assert pyramids._sliced(ours, theirs, slices) == pytest.approx(
    np.mean(expected), rel=1e-5
  )


# Typical failures of generative models, imitated on drawn faces.


@pytest.fixture(scope='module')
def real():
  return faces.Faces((32, 32), train=2 * N).read('train', 0, N)


@pytest.fixture(scope='module')
def held_out():
  return faces.Faces((32, 32), train=2 * N).read('train', N, 2 * N)


@pytest.fixture(scope='module')
def measure(real):
  extract = random_network.extractor((32, 32, 3), seed=0)
  reference = features.describe(real, extract)
  return lambda pixels: distances.compare_sets(
    features.describe(pixels, extract), reference
  )


@pytest.fixture(scope='module')
def floor(measure, held_out):
  return measure(held_out)


def blurred(pixels, sd):
  return ndimage.gaussian_filter(pixels, (0, sd, sd, 0))


def noisy(pixels, sd):
  noise = np.random.default_rng(0).normal(0, sd, pixels.shape)
  return np.clip(pixels + noise, 0, 255).round().astype(np.uint8)


def test_held_out_real_images_have_near_perfect_distances(floor):
  assert list(floor) == [
    'sliced_wasserstein',
    'high_frequency_ratio',
    'high_frequency_excess',
    'frechet',
    'kernel',
    'precision',
    'recall',
    'density',
    'coverage',
  ]
  assert floor['sliced_wasserstein'] < 0.1
  assert floor['high_frequency_ratio'] == pytest.approx(1, abs=0.1)
  assert abs(floor['kernel']) < 1e-3
  assert floor['density'] == pytest.approx(1, abs=0.15)
  assert min(floor['precision'], floor['recall'], floor['coverage']) > 0.85


def test_blur_changes_the_distances(measure, held_out, floor):
  mild, strong = (measure(blurred(held_out, sd)) for sd in (0.6, 1.2))
  for name in ('sliced_wasserstein', 'frechet', 'kernel'):
    assert strong[name] > mild[name] > floor[name], name
  for name in ('high_frequency_ratio', 'recall', 'coverage'):
    assert strong[name] < mild[name] < floor[name], name
  assert strong['high_frequency_ratio'] < 0.1
  assert strong['recall'] < 0.5 * floor['recall']
  assert strong['sliced_wasserstein'] > 5 * floor['sliced_wasserstein']


def test_noise_changes_the_distances(measure, held_out, floor):
  mild, strong = (measure(noisy(held_out, sd)) for sd in (10, 25))
  for name in ('sliced_wasserstein', 'frechet', 'high_frequency_ratio'):
    assert strong[name] > mild[name] > floor[name], name
  for name in ('precision', 'density', 'coverage'):
    assert strong[name] < floor[name], name
  assert strong['high_frequency_ratio'] > 1.5


def grid(period, level):
  """A pattern of lines: some transposed convolutions leave one."""
  lines = np.zeros((32, 32, 1))
  lines[::period] += level
  lines[:, ::period] += level
  return lines - lines.mean()


@pytest.mark.parametrize(
  'pattern',
  [
    grid(2, 15),
    grid(4, 20),
    20 * (np.indices((32, 32)).sum(0) % 2)[..., None] - 10,
    np.random.default_rng(0).normal(0, 12, (N, 32, 32, 3)),
  ],
  ids=['lines of 2', 'lines of 4', 'checkerboard', 'grain'],
)
def test_the_excess_of_high_frequencies_shows_planted_artefacts(
  measure, held_out, floor, pattern
):
  def excess(pixels):
    return measure(pixels)['high_frequency_excess']

  def plant(pixels):
    return np.clip(pixels + pattern, 0, 255).astype(np.uint8)

  assert excess(blurred(held_out, 1)) == 0
  assert floor['high_frequency_excess'] < 0.1
  assert excess(plant(held_out)) > 0.2


@pytest.mark.parametrize('sd', [0, 3], ids=['copies', 'near copies'])
def test_collapse_to_few_modes_changes_the_distances(
  measure, held_out, floor, sd
):
  modes = held_out[np.random.default_rng(0).integers(5, size=N)]
  collapsed = measure(noisy(modes, sd))
  assert collapsed['frechet'] > 5 * floor['frechet']
  assert collapsed['kernel'] > 1e-3
  assert collapsed['recall'] < 0.05
  assert collapsed['coverage'] < 0.2
  # Each sample by itself is realistic, for at least four of the five modes.
  assert collapsed['precision'] > 0.6


def test_standardising_by_the_reference_reveals_blur(real, held_out):
  """Standardising each set by itself, as in the authors' code, hides it."""
  blur = blurred(held_out, 1.2)
  ours = pyramids.sliced_wasserstein(blur, real, patches=4096)
  patches = [
    pyramids.cut(
      pyramids.laplacian(p)[0], 4096, generator=np.random.default_rng(0)
    )
    for p in (blur, real)
  ]
  alone = [(p - p.mean((0, 1))) / p.std((0, 1)) for p in patches]
  slices = pyramids._directions(147, 128, np.random.default_rng(1))
  assert ours.levels[32] > 3 * pyramids._sliced(*alone, slices)


def test_the_sliced_distance_is_zero_for_equal_sets_and_set_by_the_seed(
  real, held_out
):
  equal = pyramids.sliced_wasserstein(real, real, patches=1000)
  assert equal == ({32: 0.0, 16: 0.0}, 0.0)
  first, again, other = (
    pyramids.sliced_wasserstein(
      held_out[:90], real, patches=3000, seed=seed
    ).mean
    for seed in (0, 0, 1)
  )
  assert first == again
  assert 0 < abs(other - first) < 0.3 * first


def test_random_features_are_a_function_of_the_seed_and_the_image(real):
  extract, again, other = (
    random_network.extractor((32, 32, 3), seed=seed) for seed in (0, 0, 1)
  )
  features = extract(real[:300])
  assert features.shape == (300, 448)
  assert features.dtype == np.float32
  assert 0.05 < features.std() < 5
  np.testing.assert_array_equal(features, again(real[:300]))
  assert not np.allclose(features, other(real[:300]))
  # Other images of the batch do not matter.
  np.testing.assert_allclose(features[290:], extract(real[290:300]), rtol=1e-4)


X = normal(5, 3)
SMALL = np.zeros((2, 32, 32, 3), np.uint8)


@pytest.mark.parametrize(
  ('function', 'arguments', 'message'),
  [
    (distances.frechet, (X, X[:1]), 'reference of 1 images'),
    (distances.kernel, (X, np.full_like(X, np.nan)), 'NaN or infinity'),
    (distances.prdc, (X, X), 'neighbours = 5 of 5'),
    (pyramids.sliced_wasserstein, (SMALL[:, :16], SMALL), 'one size'),
    (pyramids.sliced_wasserstein, (SMALL[:, :6],) * 2, 'at least 7x7'),
  ],
)
def test_wrong_arguments_are_refused(function, arguments, message):
  with pytest.raises(ValueError, match=message):
    function(*arguments)


def test_random_features_of_another_shape_are_refused():
  with pytest.raises(ValueError, match=r'takes \[N, 32, 32, 3\]'):
    random_network.extractor((32, 32, 3))(SMALL[:, :16])
