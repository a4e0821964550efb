import numpy as np
import pytest

from tests import synthetic
from vaegan_jax.evaluation import similarity

SEEN = synthetic.Seen()
SCORES = synthetic.Seen(binary=False)
QUERIES = synthetic.flags(300)


def obedient(queries, seed, *, drops=()):
  """Paints the queries, but ignores some attributes."""
  has = queries.copy()
  has[:, list(drops)] = False
  return synthetic.images(has, seed)


def dropping(*drops):
  return lambda queries, seed: obedient(queries, seed, drops=drops)


def row(generate, queries=QUERIES, judge=SEEN, **settings):
  return similarity.table_row(
    lambda rows, seed: judge.predict(generate(rows, seed)),
    judge,
    queries,
    **{'runs': 4, 'best_of': 3, **settings},
  )


def one_image(judge, images, queries):
  """Measures given images, one per query."""
  return row(lambda *_: images, queries, judge, runs=1, best_of=1)


def test_each_dropped_attribute_lowers_similarity():
  rows = [row(dropping(*range(dropped))) for dropped in range(4)]
  cosines = [r.cosine for r in rows]
  errors = [r.squared_error for r in rows]
  assert cosines[0] > 0.99
  assert cosines == sorted(cosines, reverse=True)
  assert errors == sorted(errors)
  # Half of the queries have a dropped attribute; each of them adds 4.
  np.testing.assert_allclose(np.diff(errors), 2, atol=0.4)


def test_images_of_the_test_set_equal_an_obedient_model():
  own = one_image(SEEN, synthetic.images(QUERIES, 9), QUERIES)
  best = row(dropping(), runs=1, best_of=1)
  assert own.deviation == 0
  np.testing.assert_allclose(own.cosine, best.cosine, atol=0.01)


def test_a_model_that_ignores_its_queries_has_cosine_zero():
  answer = similarity.ignoring(SEEN.predict(synthetic.images(QUERIES)))
  settings = {'runs': 5, 'best_of': 1}
  ignoring = similarity.table_row(answer, SEEN, QUERIES, **settings)
  assert abs(ignoring.cosine) < 0.1
  assert ignoring.squared_error > 6
  # The best of ten is above chance, so the table shows this row too.
  settings['best_of'] = 10
  many = similarity.table_row(answer, SEEN, QUERIES, **settings)
  assert many.cosine > 0.5
  assert abs(many.cosine_mean) < 0.05


def test_best_of_is_the_best_and_the_mean_is_the_mean():
  def generate(queries, seed):
    has = queries if seed == 2 else ~queries
    return synthetic.paint(np.where(has, 255.0, 0.0))

  result = row(generate, best_of=4, runs=1)
  np.testing.assert_allclose(result.cosine, 1, atol=1e-3)
  np.testing.assert_allclose(result.cosine_mean, -0.5, atol=1e-3)
  np.testing.assert_allclose(result.squared_error, 16, atol=1e-2)
  assert row(generate, best_of=2, runs=1).cosine < -0.99


def test_the_row_of_scores_equals_a_hand_computation():
  queries = np.array([[30, 40, 0, 0], [0, 0, 60, 80]], np.float32)

  def generate(asked, seed):
    return synthetic.paint(asked * (1 + 0.5 * seed))

  result = row(generate, queries, SCORES, runs=2, best_of=2)
  np.testing.assert_allclose(result.cosine, 1, rtol=1e-6)
  # Exact in the first run; half of 50 and half of 100 too much in the second.
  second = (25**2 + 50**2) / 2
  np.testing.assert_allclose(result.squared_error, second / 2)
  np.testing.assert_allclose(result.deviation, second / np.sqrt(2))


def test_scores_are_compared_as_they_are():
  queries = np.array([[10, 10, 10, 10]], np.float32)
  crossed = np.array([[20, 0, 20, 0]], np.float32)
  result = one_image(SCORES, synthetic.paint(crossed), queries)
  np.testing.assert_allclose(result.cosine, 1 / np.sqrt(2), rtol=1e-6)


def test_absent_attributes_count_as_much_as_present_ones():
  queries = np.array([[1, 0, 0, 0]], bool)
  for wrong in range(4):
    has = queries.copy()
    has[0, wrong] ^= True
    image = synthetic.paint(np.where(has, 255.0, 0.0))
    result = one_image(SEEN, image, queries)
    np.testing.assert_allclose(result.cosine, 0.5, atol=1e-3)
    np.testing.assert_allclose(result.squared_error, 4, atol=1e-3)


def test_run_i_uses_the_first_seed_plus_i():
  seeds = []

  def generate(queries, seed):
    seeds.append(seed)
    return obedient(queries, seed)

  once = row(generate, runs=2, best_of=5, seed=40)
  assert seeds == [40, 41, 42, 43, 44]
  assert once == row(obedient, runs=2, best_of=5, seed=40)
  assert once != row(obedient, runs=2, best_of=5, seed=41)


def test_predictions_of_length_zero_have_cosine_zero():
  queries = np.full((2, 4), 3.0, np.float32)
  black = np.zeros((2, 8, 8, 3), np.uint8)
  result = one_image(SCORES, black, queries)
  assert result.cosine == 0
  np.testing.assert_allclose(result.squared_error, 36)


def test_wrong_arguments_are_refused():
  with pytest.raises(ValueError, match='at least 1 each'):
    row(obedient, runs=0)
  with pytest.raises(ValueError, match='4 attributes'):
    row(obedient, QUERIES[:, :3])
  with pytest.raises(ValueError, match='binary'):
    row(obedient, np.full((2, 4), 0.5))
  with pytest.raises(ValueError, match='expected one of each'):
    row(lambda *_: synthetic.images(QUERIES[:7]))
