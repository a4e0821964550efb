"""Attribute vectors edit images, and edits are measured."""

import dataclasses

import numpy as np
import pytest

from tests import synthetic
from vaegan_jax.data.sources import faces
from vaegan_jax.evaluation import attribute_vectors, editing
from vaegan_jax.evaluation.features import oracles

MODEL = synthetic.Model()
SEEN = synthetic.Seen()


def vectors(model=MODEL, data=None, **settings):
  data = data or synthetic.dataset(seed=1, split='train')
  return attribute_vectors.compute(
    model.encode(data.images),
    data.attributes,
    attribute_names=data.attribute_names,
    **{'names': synthetic.NAMES, **settings},
  )


def shuffled(seed=0):
  data = synthetic.dataset(seed=1, split='train')
  order = np.random.default_rng(seed).permutation(len(data.images))
  data.attributes[:] = data.attributes[order]
  return vectors(data=data)


def encoded(test, model=MODEL, oracle=SEEN):
  codes = model.encode(test.images)
  return editing.Encoded(model, oracle, codes, model.decode(codes))


def measure(model=MODEL, **settings):
  defaults = {
    'vectors': vectors(model),
    'shuffled': shuffled(),
    'test': synthetic.dataset(),
    'minimum': 5,
  }
  chosen = defaults | settings
  return editing.edit_all(encoded(chosen['test'], model), **chosen)


def test_a_vector_is_the_difference_of_means():
  codes = np.array([[1, 0], [3, 2], [0, 8]], np.float32)
  has = np.array([[True], [True], [False]])
  found = attribute_vectors.compute(
    codes, has, attribute_names=('a',), names=('a',), minimum=1
  )
  np.testing.assert_allclose(found.by_name['a'], [2, -7])
  assert found.skipped == ()


def test_attributes_that_few_images_have_or_lack_are_skipped():
  data = synthetic.dataset(seed=1)
  data.attributes[:, 0] = False
  data.attributes[:19, 0] = True
  data.attributes[:, 2] = True
  found = vectors(data=data)
  assert found.skipped == ('top', 'lower')
  assert list(found.by_name) == ['upper', 'bottom']
  # Attributes without a vector are reported as skipped edits.
  edits = measure(vectors=found)
  assert edits.skipped == found.skipped
  assert list(edits.by_name) == ['upper', 'bottom']


def test_a_model_whose_codes_are_attributes_flips_only_these():
  means = editing.summary(measure())
  assert means['flipped'] == 1
  assert means['leaked'] == 0
  assert means['attributes'] == 4
  assert means['flipped_shuffled'] < 0.5
  assert means['leaked_shuffled'] > 0.02


@pytest.mark.usefixtures('unchecked')  # the oracle sees one attribute
def test_a_single_attribute_leaks_into_no_other():
  class One(synthetic.Seen):
    def predict(self, pixels):
      return super().predict(pixels)[:, :1]

  oracle = One()
  oracle.attribute_names = ('top',)
  test = synthetic.dataset().with_attributes(('top',))
  edits = editing.edit_all(
    encoded(test, oracle=oracle),
    vectors=vectors(names=('top',)),
    shuffled=shuffled(),
    test=test,
    minimum=5,
  )
  means = editing.summary(edits)
  assert means['flipped'] == 1
  assert 'leaked' not in means


def test_correlated_attributes_leak():
  data = synthetic.dataset(seed=1)
  data.attributes[:, 1] = data.attributes[:, 0]
  data = dataclasses.replace(data, images=synthetic.images(data.attributes))
  edit = measure(vectors=vectors(data=data)).by_name['top']
  assert edit.flipped == 1
  # One of the other three changes wherever it was absent: half the images.
  assert 1 / 9 < edit.leaked < 2 / 9


def test_a_model_that_forgets_an_attribute_cannot_flip_it():
  edits = measure(synthetic.Model(forgets=(2,))).by_name
  assert edits['lower'].flipped == 0
  assert edits['top'].flipped == 1


def test_only_images_without_the_attribute_are_edited():
  test = synthetic.dataset()
  test.images[:20] = synthetic.paint(np.full((20, 4), 200))
  test.attributes[:20] = False  # absent, but not in the reconstruction
  visible = np.ones_like(test.attributes)
  visible[20:60] = False
  edit = measure(test=test, visible=visible).by_name['top']
  assert edit.images == (~test.attributes[60:, 0]).sum()
  assert measure(test=test, images=7).by_name['top'].images == 7
  # Sources may sort images: those that are edited come from all of them.
  edited = []
  measure(
    test=test, images=7, counterfactual=lambda rows, _: edited.extend(rows)
  )
  assert max(edited) > 0.8 * len(test.images)
  few = measure(test=test, minimum=1000)
  assert few.skipped == synthetic.NAMES
  with pytest.raises(ValueError, match='take more images'):
    editing.summary(few)


def test_edits_are_close_to_the_true_counterfactuals():
  test = synthetic.dataset()
  calls = []

  def counterfactual(places, name):
    calls.append(name)
    has = test.attributes[places].copy()
    column = synthetic.NAMES.index(name)
    assert not has[:, column].any()
    noise = np.random.default_rng(0).normal(size=test.attributes.shape)
    has[:, column] = True
    return synthetic.paint(80 + 100 * has + 6 * noise[places])

  edits = measure(test=test, counterfactual=counterfactual)
  assert calls == list(synthetic.NAMES)
  means = editing.summary(edits)
  # A band of four that is 100 levels off: sqrt(100^2 / 4).
  for name, unchanged in (('error', 50), ('distance', 100)):
    name = f'counterfactual_{name}'
    assert means[name] < 0.2 * means[f'{name}_unchanged']
    np.testing.assert_allclose(means[f'{name}_unchanged'], unchanged, rtol=0.02)


def test_vectors_of_shuffled_labels_have_the_length_of_the_true_ones():
  true = vectors().by_name
  tiny = {name: 1e-3 * x for name, x in true.items()}
  edits = measure(shuffled=attribute_vectors.Vectors(tiny, ())).by_name
  for edit in edits.values():
    assert edit.flipped_shuffled == edit.flipped == 1
    assert edit.leaked_shuffled == edit.leaked == 0


def test_attributes_of_figure_5_are_in_celeba():
  assert len(attribute_vectors.PAPER) == 18
  assert set(attribute_vectors.PAPER) <= set(faces.ATTRIBUTES)


def test_agreement_is_1_for_copies_and_half_for_other_images():
  test, others = synthetic.dataset(1000), synthetic.dataset(1000, seed=5)
  assert oracles.agreement(SEEN, test.images, test.images) == 1
  chance = oracles.agreement(SEEN, others.images, test.images)
  assert abs(chance - 0.5) < 0.05
  half = MODEL.decode(synthetic.Model(forgets=(0, 1)).encode(test.images))
  np.testing.assert_allclose(oracles.agreement(SEEN, half, test.images), 0.75)
  # The agreement of scores is their correlation.
  judge = synthetic.Seen(binary=False)
  copies = oracles.agreement(judge, test.images, test.images)
  np.testing.assert_allclose(copies, 1)
  assert abs(oracles.agreement(judge, others.images, test.images)) < 0.1


def test_wrong_arguments_are_refused():
  test = synthetic.dataset()
  with pytest.raises(ValueError, match='no attribute Halo'):
    vectors(names=('Halo',))
  with pytest.raises(ValueError, match='a row for each code'):
    attribute_vectors.compute(
      np.zeros((3, 2), np.float32),
      test.attributes,
      attribute_names=('a',) * 4,
      names=('a',),
    )
  stranger = synthetic.Seen()
  stranger.attribute_names = ('a', 'b', 'c', 'd')
  with pytest.raises(ValueError, match='oracle of this data set'):
    editing.edit_all(
      encoded(test, oracle=stranger),
      vectors=vectors(),
      shuffled=shuffled(),
      test=test,
    )
  with pytest.raises(ValueError, match='same shape'):
    oracles.agreement(SEEN, test.images[1:], test.images)
