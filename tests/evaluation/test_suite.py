"""Which evaluators run on which model, and the measures of a bad model."""

import dataclasses

import numpy as np
import pytest

from vaegan_jax.data import cache
from vaegan_jax.data.sources import faces
from vaegan_jax.evaluation import similarity, studies, suite
from vaegan_jax.evaluation.features import oracles
from vaegan_jax.report import measures

# The stand-ins below are not subclasses of the types in signatures.
pytestmark = pytest.mark.usefixtures('unchecked')

NAMES = ('Blond_Hair', 'Eyeglasses', 'Smiling')
SIZE = (16, 16)


class Judge(oracles.Oracle):
  """Reads attributes off the brightness of three stripes of an image."""

  def __init__(self):
    self.binary = True
    self.attribute_names = NAMES

  def predict(self, pixels):
    stripes = np.array_split(pixels.astype(np.float32), 3, axis=1)
    return np.stack([s.mean((1, 2, 3)) / 255 for s in stripes], 1)

  def classify(self, pixels):
    return self.predict(pixels) > 0.5

  def features(self, pixels):
    return self.predict(pixels)


def paint(attributes):
  """Makes images that Judge reads as these attributes."""
  rows = np.repeat(np.asarray(attributes), (6, 5, 5), axis=1)
  images = np.empty((len(rows), *SIZE, 3), np.uint8)
  images[:] = np.where(rows > 0.5, 235, 20)[:, :, None, None]
  return images


class Painter:
  """A model whose codes are attributes."""

  image_shape = (*SIZE, 3)
  latent_size = 3

  def __init__(
    self, *, encodes=True, attribute_names=(), drops=None, fits=None
  ):
    self.encodes, self.drops, self.fits = encodes, drops, fits
    self.attribute_names = attribute_names

  def decode(self, codes, attributes=None):
    wanted = np.array(codes if attributes is None else attributes, np.float32)
    if self.drops is not None:
      wanted[:, self.drops] = 0
    return paint(wanted)

  def posterior(self, images, attributes=None):
    mean = Judge().predict(images)
    return mean, np.full_like(mean, -9.0)

  def encode(self, images, attributes=None):
    return self.posterior(images)[0]

  def reconstruct(self, images, attributes=None):
    return self.decode(self.encode(images), attributes)

  def sample(self, n, attributes=None, *, prior=None, seed=0):
    codes = np.random.default_rng(seed).integers(0, 2, (n, 3))
    if prior is not None and self.fits is not None:
      codes[:] = self.fits
    return self.decode(codes, attributes)


@pytest.fixture(scope='module')
def study():
  draw = np.random.default_rng(0)

  def dataset(split, count):
    attributes = draw.integers(0, 2, (count, 3)).astype(np.int8)
    return cache.Dataset(
      paint(attributes), attributes, NAMES, 'stripes', split, 'digest'
    )

  judge = Judge()
  return studies.Study(
    dataset('train', 200), dataset('test', 120), judge, judge.features
  )


ENCODES = {
  'samples',
  'fitted_prior',
  'aggregated_posterior',
  'reconstructions',
}


def prefixes(found):
  return {name.split('/')[0] for name in found}


def test_a_gan_has_measures_of_samples_only(study):
  assert prefixes(suite.evaluate(Painter(encodes=False), study)) == {'samples'}


def test_a_conditional_model_has_attribute_similarity(study):
  model = Painter(attribute_names=NAMES)
  found = suite.evaluate(model, study, runs=2)
  assert prefixes(found) == {*ENCODES, 'similarity'}
  assert found['similarity/cosine'] > 0.99


def test_sets_of_codes_tell_a_poor_prior_from_a_poor_decoder(study):
  def recalls(**changes):
    found = suite.evaluate(Painter(**changes), study)
    return {name: found[f'{name}/coverage'] > 0.9 for name in ENCODES}

  good = dict.fromkeys(ENCODES, True)
  assert recalls() == good
  assert recalls(fits=1) == good | {'fitted_prior': False}
  poor = dict.fromkeys(ENCODES, False)
  assert recalls(drops=[0, 1]) == poor


def test_every_measure_is_in_the_tables(study):
  for model in (Painter(), Painter(attribute_names=NAMES)):
    found = suite.evaluate(model, study, runs=2)
    about = {'step': 1, 'images': 1}
    sets, others = measures.make(measures.Measures(about, found, {}))
    shown = sum(cell != '' for row in sets.rows for cell in row[1:5])
    assert shown + len(others.rows) == len(found)


def test_a_dropped_attribute_worsens_similarity_agreement_and_distance(study):
  complete, dropped = (
    suite.evaluate(Painter(attribute_names=NAMES, drops=drops), study, runs=2)
    for drops in (None, 1)
  )
  for name, least in (
    ('similarity/squared_error', 0),
    ('samples/frechet', 0.1),
  ):
    assert dropped[name] > complete[name] + least
  for name, least in (
    ('similarity/cosine', 0.2),
    ('reconstructions/agreement', 0),
  ):
    assert dropped[name] < complete[name] - least


def test_a_model_of_some_attributes_decodes_only_these(study):
  names = (NAMES[2], NAMES[0])

  class Some(Painter):
    def decode(self, codes, attributes=None):
      smiling, blond = np.transpose(attributes)
      return paint(np.stack([blond, 0 * blond, smiling], 1))

  found = suite.evaluate(Some(attribute_names=names), study, runs=2)
  assert found['similarity/cosine'] > 0.99


def test_noise_lowers_sharpness(study):
  class Grainy(Painter):
    def decode(self, codes, attributes=None):
      draw = np.random.default_rng(1)
      noise = draw.integers(-60, 60, (len(codes), 16, 16, 3))
      return np.clip(super().decode(codes) + noise, 0, 255).astype(np.uint8)

  clean, grainy = (
    suite.evaluate(model(encodes=False), study)['samples/sharpness']
    for model in (Painter, Grainy)
  )
  assert grainy < clean - 0.1


def test_references_are_measures_of_real_images(study):
  references = suite.references(study, runs=2)
  floor = references['real']
  assert floor['samples/high_frequency_ratio'] == pytest.approx(1, abs=0.2)
  row = similarity.table_row(
    lambda *_: study.oracle.predict(study.test.images),
    study.oracle,
    study.test.attributes,
    runs=1,
  )
  assert floor['similarity/cosine'] == pytest.approx(row.cosine)
  ignoring = references['ignoring']
  assert ignoring['similarity/squared_error'] > 2 * row.squared_error


def test_vectors_are_of_the_attributes_of_the_paper_in_the_data(study):
  vectors = suite.vectors(Painter(), study)
  assert set(vectors.by_name) == set(NAMES)


def test_faces_are_redrawn_with_an_attribute_flipped():
  source = faces.Faces(SIZE, train=3, test=3)
  places = np.array([1, 0, 2])
  redrawn = studies._redraw(source, places, np.array([1, 2]), 'Eyeglasses')
  truth = source.draw('test', [0, 2], flip='Eyeglasses').pixels
  np.testing.assert_array_equal(redrawn, truth)


def test_vectors_of_shuffled_labels_flip_less(study):
  found = suite.evaluate(Painter(), study)
  assert found['attribute_vectors/flipped'] > 0.9
  assert found['attribute_vectors/flipped_shuffled'] < 0.5


def test_a_varied_model_has_a_better_best_sample_than_mean_sample(study):
  class Deaf(Painter):
    def sample(self, n, attributes=None, *, prior=None, seed=0):
      codes = np.random.default_rng(seed).integers(0, 2, (n, 3))
      return paint(codes)

  found = suite.evaluate(Deaf(attribute_names=NAMES), study, runs=5)
  assert found['similarity/cosine'] > found['similarity/cosine_mean'] + 0.2


def test_trials_of_two_seeds_share_no_draw(study):
  drawn = {0: set(), 1: set()}

  class Recorder(Painter):
    def sample(self, n, attributes=None, *, prior=None, seed=0):
      drawn[self.trial].add(seed)
      return super().sample(n, attributes, prior=prior, seed=seed)

  for trial in drawn:
    model = Recorder(attribute_names=NAMES)
    model.trial = trial
    suite.evaluate(model, study, runs=3, seed=trial)
  assert len(drawn[0]) >= 3
  assert not drawn[0] & drawn[1]


def test_fid_and_kid_are_distances_in_the_features_of_inception(study):
  seeing = dataclasses.replace(study, inception=study.extract)
  found = suite.evaluate(Painter(encodes=False, drops=1), seeing)
  assert found['samples/fid'] == found['samples/frechet'] > 0.1
  assert found['samples/kid'] == found['samples/kernel']


@pytest.mark.parametrize('part', ['pixels', 'labels', 'oracle'])
def test_measures_of_other_data_or_another_oracle_are_not_comparable(
  study, part
):
  test, oracle = study.test, Judge()
  oracle.digest = study.oracle.digest = 'weights'
  if part == 'pixels':
    test = dataclasses.replace(test, digest='other')
  elif part == 'labels':
    test = dataclasses.replace(test, attributes=1 - test.attributes)
  else:
    oracle.digest = 'other weights'
  other = dataclasses.replace(study, test=test, oracle=oracle)
  ours, theirs = (suite.conditions(s, runs=2) for s in (study, other))
  assert ours == suite.conditions(study, runs=2)
  assert ours != theirs


def test_references_are_those_of_the_attributes_that_a_model_is_given(study):
  names = (NAMES[2],)
  found = suite.references(study, runs=2, names=names)
  model = Painter(attribute_names=names)
  model.decode = lambda codes, attributes: paint(np.tile(attributes, (1, 3)))
  measured = suite.evaluate(model, study, runs=2)
  # A wrong attribute of one adds 4; of three, up to 12.
  assert found['ignoring']['similarity/squared_error'] < 4
  assert (
    measured['similarity/squared_error']
    < found['frequencies']['similarity/squared_error']
    < found['ignoring']['similarity/squared_error']
  )


def test_a_smaller_set_is_compared_with_images_of_all_classes(study):
  order = np.argsort(study.test.attributes[:, 0], kind='stable')
  ordered = dataclasses.replace(study, test=study.test.take(order))
  some = ordered.test_set.spread(30)
  assert 0.3 < (some.features[:, 0] > 0.5).mean() < 0.7


@pytest.mark.parametrize(
  'wrong', [{'seed': 2**32 // 1000}, {'seed': -1}, {'runs': 1001}, {'runs': 0}]
)
def test_trials_that_would_share_their_draws_are_refused(wrong):
  with pytest.raises(ValueError, match='runs from 1 to 1000 and a seed from 0'):
    suite.evaluate(Painter(), None, **wrong)
