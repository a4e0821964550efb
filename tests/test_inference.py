"""A model refuses what it was not trained on, and takes arrays of any kind."""

import functools
import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from tests import small
from vaegan_jax import arguments, inference
from vaegan_jax.config import build
from vaegan_jax.core import gaussian
from vaegan_jax.data.images import decoding, resizing
from vaegan_jax.runs import exports

NAMES = ('Male', 'Age')
LARGEST = np.finfo(np.float32).max
LIMITS = [[0.0, 1.0], [-3.0, 9.0]]
PIXELS = np.random.default_rng(0).integers(0, 256, (3, 16, 8, 3), np.uint8)
CODES = np.random.default_rng(1).normal(size=(3, 5)).astype(np.float32)
ROWS = np.array([[0, 1.5], [1, 2], [0.5, -3]], np.float32)

pytestmark = pytest.mark.usefixtures('unchecked')


@functools.cache
def make(names=(), scale=10, model='vaegan'):
  config = small.config(
    model=model,
    conditional=','.join(names),
    latent_size=5,
    data__size=(16, 8),
    decoder__channels=(4, 4),
  )
  # As large as trained ones may be: large codes overflow.
  variables = jax.tree.map(
    lambda x: scale * x, small.variables(build.networks(config))
  )
  return inference.Model(
    exports.Export(config, variables, step=7, attribute_limits=LIMITS)
  )


FLOATS = PIXELS / np.float32(255)
WRONG_IMAGES = [
  ([*PIXELS], TypeError, 'images are a list: .* stack a list'),
  (np.ma.masked_equal(PIXELS, 3), TypeError, 'images are a MaskedArray'),
  (PIXELS.tobytes(), TypeError, 'images are a bytes'),
  (FLOATS, TypeError, r'float32 from 0 to 1: .*\(255 \* images\)\.round'),
  (jnp.asarray(FLOATS), TypeError, r'float32 from 0 to 1: expected uint8'),
  (2 * FLOATS - 1, TypeError, r'from -1 to 1: .*127\.5 \* \(images \+ 1\)'),
  (255 * FLOATS, TypeError, r'from 0 to 255: .* with images\.round\(\)\.'),
  (FLOATS - np.nan, TypeError, 'float32 from nan to nan: expected uint8'),
  (16 * PIXELS.astype(np.uint16), TypeError, r'to 4080: .*, 0\.\.255$'),
  (PIXELS > 9, TypeError, r'bool from 0 to 1: .*with \(255 \* images\)'),
  (PIXELS.astype(object), TypeError, 'images are object: expected uint8'),
  (np.zeros((1, 32, 32, 3), np.uint8), ValueError, '16, 8, 3]; resize'),
  (PIXELS[None], ValueError, r'\(1, 3, 16, 8, 3\): this model takes'),
  (np.moveaxis(PIXELS, -1, 1), ValueError, r'numpy\.moveaxis\(images, -3, -1'),
  (PIXELS[..., 0], ValueError, r'axis of the channels: images\[\.\.\., None'),
  (PIXELS[..., :1], ValueError, r'numpy\.repeat\(images, 3, axis=-1\)'),
  (PIXELS[..., [0, 1, 2, 2]], ValueError, r'drop the .*images\[\.\.\., :3'),
  (PIXELS[0, ..., :1], ValueError, r'numpy\.repeat\(images, 3, axis=-1\)'),
  (PIXELS[0, ..., 0], ValueError, r'\[\.\.\., None\], and repeat the grey'),
  (PIXELS[0][..., [0, 1, 2, 2]], ValueError, r'drop the .*images\[\.\.\., :3'),
  (PIXELS[:0], ValueError, 'at least one'),
]  # fmt: skip


@pytest.mark.parametrize(('given', 'error', 'message'), WRONG_IMAGES)
def test_images_that_are_not_its_pixels_are_refused_with_the_remedy(
  given, error, message
):
  for method in (make().encode, make().reconstruct, make().posterior):
    with pytest.raises(error, match=message):
      method(given)


BROKEN = CODES.copy()
BROKEN[1, 2] = np.inf
WRONG_CODES = [
  (CODES.tolist(), TypeError, 'codes are a list'),
  (CODES.astype(float), TypeError, r'float64: .*astype\("float32"\)'),
  (CODES.astype('>f4'), TypeError, r'codes are >f4: expected float32'),
  (CODES * np.nan, ValueError, r'NaN or infinity in 3 of 3 rows \(0, 1, 2\)'),
  (BROKEN, ValueError, r'in 1 of 3 rows \(1\)'),
  (CODES[0], ValueError, r'the batch: codes\[None\]'),
  (CODES[:, :4], ValueError, r'\(3, 4\): this model takes \[N, 5\]'),
  (CODES[:0], ValueError, 'at least one'),
]  # fmt: skip


@pytest.mark.parametrize(('given', 'error', 'message'), WRONG_CODES)
def test_codes_that_cannot_be_decoded_are_refused(given, error, message):
  with pytest.raises(error, match=message):
    make().decode(given)


def test_a_nan_is_reported_and_not_drawn_as_black():
  # Finite codes whose products are not.
  with pytest.raises(FloatingPointError, match=r'1 of 3 rows \(2\).* 3e\+38'):
    make().decode(np.float32([[0] * 5, [1] * 5, [3e38] * 5]))


@pytest.mark.parametrize(
  'seed', [2**32, -1, 1.5, True, None, '1', np.float32(3), np.uint64(2**63)]
)
def test_seeds_that_config_seed_may_not_be_are_refused(seed):
  with pytest.raises(ValueError, match=r'seed = .*: expected a whole number'):
    make().sample(2, seed=seed)


@pytest.mark.parametrize('n', [0, -1, 2.0, True, None, '3'])
def test_a_count_that_is_not_positive_is_refused(n):
  with pytest.raises(ValueError, match=r'n = .*: expected a whole number, at '):
    make().sample_prior(n)


def test_a_fitted_prior_has_the_moments_of_the_codes_of_images():
  model = make(scale=1)
  pixels = np.random.default_rng(2).integers(0, 256, (50, 16, 8, 3), np.uint8)
  mean, log_var = model.posterior(pixels)
  # q(z|x) is drawn from many times; the prior, which is exact, never.
  noise = np.random.default_rng(3).standard_normal((4_000, *mean.shape))
  codes = (mean + np.exp(log_var / 2) * noise).reshape(-1, 5)
  prior = model.fit_prior(pixels)
  scale = np.sqrt(np.diag(prior.covariance))
  np.testing.assert_allclose(
    prior.mean / scale, codes.mean(0) / scale, atol=0.02
  )
  np.testing.assert_allclose(
    prior.covariance / np.outer(scale, scale),
    np.cov(codes.T) / np.outer(scale, scale),
    atol=0.02,
  )


def test_samples_of_a_prior_are_its_own_and_those_of_the_standard_one_are_n01():
  model, prior = (
    make(),
    gaussian.Gaussian(
      CODES[0].astype(float), np.diag(CODES[1].astype(float) ** 2)
    ),
  )
  drawn = model.sample_prior(20_000, prior=prior, seed=1)
  np.testing.assert_allclose(drawn.mean(0), prior.mean, atol=0.03)
  np.testing.assert_allclose(np.cov(drawn.T), prior.covariance, atol=0.05)
  standard = gaussian.Gaussian(np.zeros(5), np.eye(5))
  np.testing.assert_array_equal(
    model.sample(3, prior=standard, seed=1), model.sample(3, seed=1)
  )


def test_numbers_and_arrays_of_numpy_and_jax_are_equally_good():
  model = make(NAMES)
  expected = model.sample(3, ROWS, seed=7)
  for three, seven in (
    (np.int64(3), np.uint8(7)),
    (jnp.array(3), jnp.uint32(7)),
  ):
    made = model.sample(three, jnp.asarray(ROWS), seed=seven)
    np.testing.assert_array_equal(made, expected)
  np.testing.assert_array_equal(
    model.sample(3, ROWS.tolist(), seed=7), expected
  )
  codes = model.encode(PIXELS, ROWS)
  backwards = np.asfortranarray(PIXELS[::-1])[::-1]
  backwards.flags.writeable = False
  for same in (jnp.asarray(PIXELS), np.asfortranarray(PIXELS), backwards):
    np.testing.assert_array_equal(model.encode(same, ROWS), codes)


def test_the_largest_seed_is_not_that_of_another():
  seeds = (0, 1, 2**31, 2**32 - 1)
  drawn = [make().sample_prior(1, seed=seed).tobytes() for seed in seeds]
  assert len(set(drawn)) == len(seeds)


def test_the_edit_of_a_gan_says_that_it_has_no_encoder():
  with pytest.raises(ValueError, match='is a GAN and has no encoder'):
    make(model='gan').edit(PIXELS, {'Hat': 1})


WRONG_ROWS = [
  (None, ValueError, 'conditional on 2 attributes'),
  (ROWS[:2], ValueError, r'takes \(3, 2\) here, .* Male, Age'),
  (ROWS.T, ValueError, r'shape \(2, 3\)'),
  (ROWS * np.nan, ValueError, r'hold a NaN or infinity in 3 of 3 rows'),
  (ROWS + 8, ValueError, r'Male is 8 in row 0: expected 0 to 1, .*; 2 of 2'),
  (255 * np.uint8(ROWS), ValueError, r'Age is 255 in row 0: expected -3 to 9'),
  (2 * (ROWS > 0) - 1, ValueError, r'Male is -1 in row 0: .* 1 of 2'),
  ([['a', 'b']] * 3, TypeError, 'attributes are .*: expected numbers'),
  (ROWS + 0j, TypeError, 'complex64: expected numbers'),
  ([[1, 2], [3]], ValueError, 'inhomogeneous'),
  ({'Male': [1]}, TypeError, 'attributes are a dict'),
]  # fmt: skip


@pytest.mark.parametrize(('rows', 'error', 'message'), WRONG_ROWS)
def test_attributes_unlike_those_of_training_are_refused(rows, error, message):
  for use in (
    lambda: make(NAMES).decode(CODES, rows),
    lambda: make(NAMES).encode(PIXELS, rows),
    lambda: make(NAMES).sample(3, rows),
  ):
    with pytest.raises(error, match=message):
      use()


@pytest.mark.parametrize(
  ('column', 'limits'),
  [
    ([0, 1, 1], (0, 1)),
    ([False, True, True], (0, 1)),
    ([0, 0, 0], (0, 1)),
    ([0, 0.5, 1], (-1, 2)),
    ([-2, 4, 1], (-8, 10)),
    ([3, 3, 3], LARGEST * np.array([-1, 1])),
  ],
)
def test_limits_leave_room_for_scores_but_not_for_flags(column, limits):
  columns = np.array([column]).T
  assert arguments.attribute_limits(columns) == [list(limits)]


def test_a_single_image_and_images_of_pil_are_batches():
  model = make()
  expected = model.encode(PIXELS)
  pictures = [Image.fromarray(pixels) for pixels in PIXELS]
  for same in (pictures, tuple(pictures)):
    np.testing.assert_array_equal(model.encode(same), expected)
  for one in (PIXELS[0], jnp.asarray(PIXELS[0]), pictures[0]):
    np.testing.assert_array_equal(model.encode(one), expected[:1])


def test_an_image_of_pil_is_cropped_and_resized_like_that_of_a_folder():
  photo = np.random.default_rng(0).integers(0, 256, (50, 40, 4), np.uint8)
  file = io.BytesIO()
  Image.fromarray(photo).save(file, 'PNG')
  pixels = resizing.fit(decoding.decode(file.getvalue()), (16, 8))
  np.testing.assert_array_equal(
    make().encode(Image.fromarray(photo)), make().encode(pixels)
  )
  with pytest.raises(ValueError, match='floating point numbers'):
    make().encode(Image.fromarray(np.zeros((9, 9), np.float32)))


def test_an_interpolation_joins_the_reconstructions_of_its_ends():
  model = make(scale=1)
  frames = model.interpolate(PIXELS[:2], PIXELS[1:], 5)
  assert frames.shape == (5, 2, 16, 8, 3)
  # Codes on the way come from angles and lengths, which round.
  ends = np.stack([frames[0], frames[-1]]).astype(int)
  expected = model.reconstruct(PIXELS)
  assert abs(ends - np.stack([expected[:2], expected[1:]])).max() <= 1
  assert (frames[2] != frames[0]).any()
  with pytest.raises(ValueError, match='1 images at the start and 2 at'):
    model.interpolate(PIXELS[0], PIXELS[:2])


def test_scores_are_the_losses_of_the_paper():
  model = make(scale=1)
  mean, log_var = (x.astype(np.float64) for x in model.posterior(PIXELS))
  scores = model.score(PIXELS)
  np.testing.assert_allclose(
    scores.prior,
    (np.square(mean) + np.exp(log_var) - 1 - log_var).sum(1) / 2,
    rtol=1e-4,
  )
  assert scores.llike.shape == (3,)
  # Of a pair of equal images it is 0, and each score is of one image alone.
  np.testing.assert_array_equal(model.llike(PIXELS, PIXELS), 0)
  np.testing.assert_allclose(model.score(PIXELS[2]).llike, scores.llike[2:])


def test_the_score_of_a_vae_is_the_error_of_pixels():
  model = make(scale=1, model='vae')
  gap = (model.reconstruct(PIXELS).astype(np.float64) - PIXELS) / 127.5
  np.testing.assert_allclose(
    model.score(PIXELS).llike, np.square(gap).sum((1, 2, 3)) / 2, rtol=1e-4
  )


def test_a_model_says_what_it_is():
  expected = '<VAE/GAN of 16x8x3 images, 5 latent dimensions, step 7>'
  assert repr(make()) == expected
  assert repr(make(NAMES)).endswith(', conditional on Male, Age>')


def test_the_similarity_metric_compares_pairs_of_its_pixels_only():
  model = make()
  images = model.sample(4)
  assert not model.llike(images, images).any()
  (one,) = model.llike(images[0], images[1])
  assert one > 0
  assert one == pytest.approx(model.llike(images[:1], images[1:2])[0])
  with pytest.raises(ValueError, match='3 images x and 2 images x_tilde'):
    model.llike(images[:3], images[:2])
  with pytest.raises(TypeError, match='expected uint8'):
    model.llike(images / 255, images)
  with pytest.raises(ValueError, match='this model takes'):
    model.llike(images, images[:, :8])


def test_words_in_place_of_a_prior_or_of_changes_are_refused():
  model = make()
  with pytest.raises(TypeError, match='expected a Gaussian, such as'):
    model.sample(2, prior='fitted')
  with pytest.raises(TypeError, match='expected a mapping of attributes'):
    model.edit(model.sample(1), 'Smiling')
