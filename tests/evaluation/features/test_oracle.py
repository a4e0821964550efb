"""Oracles learn attributes of images, and are stored and validated."""

import dataclasses
import functools
import json
import os
import subprocess
import sys

import jax.numpy as jnp
import numpy as np
import pytest

from tests import ROOT
from vaegan_jax.data import cache
from vaegan_jax.data.sources import faces
from vaegan_jax.evaluation import studies
from vaegan_jax.evaluation.features import oracle_files, predictor
from vaegan_jax.evaluation.metrics import accuracy

NAMES = ('left', 'red', 'rare')


def _draw(length, seed):
  """Returns images of 8x8 with visible attributes, and the attributes."""
  generator = np.random.default_rng(seed)
  images = generator.integers(90, 160, (length, 8, 8, 3))
  flags = generator.random((length, 3)) < (0.5, 0.5, 0.06)
  images[flags[:, 0], :, :4] -= 80
  images[flags[:, 1], :, :, 0] += 80
  images[flags[:, 2], 4:] += 60
  return images.astype(np.uint8), flags


def dataset(length=300, *, seed=0, kind=bool):
  images, flags = _draw(length, seed)
  values = flags.astype(kind)
  if kind is np.float32:
    # Scores in very different units.
    values = flags @ np.diag([200.0, 0.02, 3.0]) + (5, -7, 0)
    values = values.astype(np.float32)
  return cache.Dataset(
    images, values, NAMES, 'synthetic', 'train', f'{length} of {seed}'
  )


# 'left' is not symmetric, so the recipe has no flips.
RECIPE = predictor.Recipe(
  steps=100,
  learning_rate=0.02,
  batch_size=32,
  width=0.1,
  hidden=16,
  flips=False,
)
LABELS, HELD_OUT = dataset(), dataset(seed=1)
load = functools.partial(oracle_files.load, recipe=RECIPE, progress=False)


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
  return tmp_path_factory.mktemp('cache')


@pytest.fixture(scope='module')
def trained(folder):
  return load(LABELS, HELD_OUT, directory=folder)


def test_visible_attributes_are_learned_even_if_rare(trained):
  assert trained.binary
  assert trained.validation.images == 300
  assert trained.validation.measures['balanced_accuracy'].min() > 0.95
  assert trained.validation.means()['balanced_accuracy'] > 0.95


def test_predictions_are_probabilities_of_the_named_attributes(trained):
  images, flags = _draw(270, 2)  # more than one call, and a partial one
  predicted = trained.predict(images)
  assert predicted.dtype == np.float32
  assert 0 <= predicted.min() <= predicted.max() <= 1
  assert ((predicted > 0.5) == flags).mean() > 0.95
  np.testing.assert_array_equal(trained.classify(images), predicted > 0.5)


def test_scores_are_predicted_in_their_units(folder):
  sets = (dataset(seed=s, kind=np.float32) for s in (0, 1))
  scored = load(*sets, directory=folder)
  assert not scored.binary
  means = scored.validation.means()
  assert means['correlation'] > 0.9
  assert means['explained_variance'] > 0.8
  images, flags = _draw(100, 2)
  np.testing.assert_allclose(
    scored.predict(images)[:, 0], 5 + 200 * flags[:, 0], atol=90
  )
  with pytest.raises(ValueError, match='scores'):
    scored.classify(images)


def test_features_have_unit_variance_and_do_not_depend_on_the_batch(trained):
  images = dataset().images
  features = trained.features(images)
  assert features.shape == (300, 16)
  assert features.dtype == np.float32
  np.testing.assert_allclose(features.std(0), 1, atol=0.4)
  alone = trained.features(images[7:8])
  np.testing.assert_allclose(alone, features[7:8], atol=1e-5)


def stored(oracle, folder):
  """Returns the file of an oracle."""
  for path in (folder / 'oracles').glob('*.safetensors'):
    _, about = oracle_files.weights.load(path, about={})
    if about['sha256'] == oracle.digest:
      return path
  raise AssertionError(f'{folder} holds no such oracle')


def test_a_second_load_reads_the_file_of_the_first(
  trained, folder, monkeypatch
):
  monkeypatch.setattr(predictor, 'fit', None)
  again = load(LABELS, HELD_OUT, directory=folder)
  images, _ = _draw(20, 2)
  np.testing.assert_array_equal(again.predict(images), trained.predict(images))
  assert again.digest == trained.digest
  about = {'attribute_names': list(NAMES), 'steps': 100}
  assert oracle_files.weights.read(stored(trained, folder), about=about)


def test_an_oracle_of_drawn_faces_ships_without_the_faces(
  tmp_path, monkeypatch
):
  source = faces.Faces((16, 16), train=40, test=30, correlated=False)
  recipe = predictor.Recipe(steps=2, batch_size=8, width=0.1, hidden=8)
  held_out = cache.load(source, split='test', directory=tmp_path)
  shipped = functools.partial(
    oracle_files.shipped, held_out=held_out, recipe=recipe, folder=tmp_path
  )
  assert shipped(source) is None
  oracle_files.ship(source, recipe=recipe, folder=tmp_path, directory=tmp_path)
  monkeypatch.setattr(faces.Faces, 'draw', interrupt)
  found = shipped(source)
  trained = oracle_files.load(
    cache.load(source, split='train', directory=tmp_path),
    held_out,
    recipe=recipe,
    directory=tmp_path,
  )
  np.testing.assert_allclose(
    found.predict(held_out.images), trained.predict(held_out.images), atol=1e-2
  )
  assert found.validation.images == 30
  assert shipped(dataclasses.replace(source, test=20)) is not None
  # Other faces, or another recipe, have another oracle.
  assert shipped(dataclasses.replace(source, seed=1)) is None
  other = functools.partial(shipped, recipe=recipe._replace(steps=3))
  assert other(source) is None


@pytest.mark.parametrize('size', [32, 64])
def test_the_shipped_oracles_are_those_of_the_study_of_faces(size, tmp_path):
  source = faces.Faces((size, size), train=30, test=200)
  study = studies.prepare(source, directory=tmp_path, images=200)
  assert study.oracle_images == 40_000
  assert not (tmp_path / 'oracles').exists()
  assert study.oracle.validation.means()['balanced_accuracy'] > 0.95


def test_training_is_deterministic_and_depends_on_the_seed(
  trained, folder, tmp_path
):
  images, _ = _draw(20, 2)
  # An oracle in the format of an older version is trained again.
  old = tmp_path / 'oracles' / stored(trained, folder).stem
  old.mkdir(parents=True)
  (old / 'weights.npz').write_bytes(b'')
  again = load(LABELS, HELD_OUT, directory=tmp_path)
  np.testing.assert_array_equal(again.predict(images), trained.predict(images))
  assert again.digest == trained.digest
  other = load(LABELS, HELD_OUT, directory=tmp_path, seed=1)
  assert not np.array_equal(other.predict(images), trained.predict(images))
  assert other.digest != trained.digest


def interrupt(*args, **kwargs):
  raise KeyboardInterrupt


def test_other_labels_of_the_same_images_train_another_oracle(
  trained, folder, monkeypatch
):
  monkeypatch.setattr(predictor, 'fit', interrupt)
  flipped = dataset()
  flipped.attributes[:, 1] ^= True
  with pytest.raises(KeyboardInterrupt):
    load(flipped, HELD_OUT, directory=folder)


def test_only_visible_attributes_count(folder):
  held_out = dataset(seed=1)
  visible = np.ones_like(held_out.attributes)
  held_out.attributes[:150, 0] ^= True  # wrong, so not visible
  wrong = load(LABELS, held_out, directory=folder)
  visible[:150, 0] = False
  right = load(LABELS, held_out, directory=folder, visible=visible)
  assert wrong.validation.measures['balanced_accuracy'][0] < 0.6
  assert right.validation.measures['balanced_accuracy'][0] > 0.95


@pytest.mark.parametrize('place', [0, 99, -1])
@pytest.mark.parametrize('how', ['changed', 'cut'])
def test_a_damaged_oracle_is_refused(trained, folder, place, how):
  path = stored(trained, folder)
  whole = path.read_bytes()
  damaged = bytearray(whole)
  damaged[place] ^= 1
  path.write_bytes(damaged if how == 'changed' else whole[:place])
  try:
    with pytest.raises(ValueError, match='damaged'):
      load(LABELS, HELD_OUT, directory=folder)
  finally:
    path.write_bytes(whole)


def test_an_interrupted_write_leaves_no_file(tmp_path, monkeypatch):
  monkeypatch.setattr(oracle_files.weights.atomic.os, 'replace', interrupt)
  monkeypatch.setattr(
    predictor, 'fit', lambda *_, **__: {'params': {'a': np.zeros(2)}}
  )
  with pytest.raises(KeyboardInterrupt):
    load(LABELS, HELD_OUT, directory=tmp_path)
  assert list((tmp_path / 'oracles').iterdir()) == []


def test_wrong_arguments_are_refused(trained):
  bare = cache.Dataset(dataset().images, None, (), 'synthetic', 'train', '')
  with pytest.raises(ValueError, match='has no attributes'):
    load(bare, bare)
  with pytest.raises(ValueError, match='differ'):
    load(dataset(), dataset(kind=np.int8))
  wrong = dataset(kind=np.int8)
  wrong.attributes[3, 1] = -1
  with pytest.raises(ValueError, match='other than 0 and 1'):
    load(wrong, wrong)
  scores = dataset(kind=np.float32)
  scores.attributes[0, 0] = np.nan
  with pytest.raises(ValueError, match='finite'):
    load(scores, scores)
  with pytest.raises(ValueError, match='takes at least one image'):
    trained.predict(np.zeros((2, 16, 8, 3), np.uint8))


def test_a_rare_attribute_has_the_weight_of_its_absence():
  has = jnp.array([[1.0], [0.0], [0.0], [0.0]])
  scale = predictor.scale_of(np.asarray(has, bool))

  def cost(output):
    outputs = jnp.full((4, 1), output)
    return predictor.loss(outputs, has, scale=scale)

  # The best constant output is a probability of 1/2, not of 1/4.
  np.testing.assert_allclose(cost(0.0), np.log(2), rtol=1e-6)
  np.testing.assert_allclose(cost(-1.1), cost(1.1), rtol=1e-6)
  assert cost(-1.1) > cost(0.0)


def test_scores_are_learned_in_standard_deviations():
  scores = jnp.array([[10.0, 3.0], [30.0, 3.0]])
  scale = predictor.scale_of(np.asarray(scores))
  outputs = jnp.array([[0.0, 0.0], [1.0, 2.0]])
  # Off by one deviation in the first image, by two in the second.
  np.testing.assert_allclose(
    predictor.loss(outputs, scores, scale=scale), (1 + 4) / 2 / 2
  )


def test_balanced_accuracy_by_hand():
  truth = np.array([[1, 1], [1, 1], [0, 1], [0, 1], [0, 1]], bool)
  predicted = np.array([[1, 1], [0, 1], [0, 1], [0, 1], [1, 1]], bool)
  each = accuracy.balanced_accuracy(predicted, truth)
  np.testing.assert_allclose(each[0], (1 / 2 + 2 / 3) / 2)
  assert np.isnan(each[1])
  assert accuracy.mean(each) == each[0]
  visible = np.array([[1, 1], [0, 1], [1, 1], [1, 1], [1, 1]], bool)
  seen = accuracy.balanced_accuracy(predicted, truth, visible=visible)
  np.testing.assert_allclose(seen[0], (1 + 2 / 3) / 2)


def test_correlation_and_explained_variance_agree_with_numpy():
  generator = np.random.default_rng(0)
  truth = generator.normal(size=(50, 3))
  predicted = truth * (1, 2, 0) + generator.normal(size=(50, 3)) * (0.1, 1, 0)
  each = accuracy.correlation(predicted, truth)
  for i in range(2):
    expected = np.corrcoef(predicted[:, i], truth[:, i])[0, 1]
    np.testing.assert_allclose(each[i], expected)
  assert each[2] == 0
  assert np.isnan(accuracy.correlation(predicted, np.ones_like(truth))).all()
  share = accuracy.explained_variance(
    np.broadcast_to(truth.mean(0), (50, 3)), truth
  )
  np.testing.assert_allclose(share, 0, atol=1e-12)
  np.testing.assert_allclose(accuracy.explained_variance(truth, truth), 1)


# Runs in its own process, without the flags for fast compilation.
PROGRAM = """
import json, pathlib, sys
from vaegan_jax.data import cache
from vaegan_jax.data.sources import faces
from vaegan_jax.evaluation.features import oracle_files, predictor

folder = pathlib.Path(sys.argv[1])
learn = faces.Faces(size=(32, 32), correlated=False, train=30_000, seed=1)
source = faces.Faces(size=(32, 32))
held_out = cache.load(source, split='test', directory=folder)
read = oracle_files.load(
  cache.load(learn, split='train', directory=folder),
  held_out,
  directory=folder,
  recipe=predictor.Recipe(batch_size=64),
  visible=source.visible('test', 0, len(held_out.images)),
)
each = read.validation.measures['balanced_accuracy'].tolist()
print(json.dumps(dict(zip(read.attribute_names, each, strict=True))))
"""


@pytest.mark.slow
def test_an_oracle_of_drawn_faces_is_accurate_at_the_scale_of_the_demo(
  tmp_path,
):
  """Trains on uncorrelated faces for minutes, and tests on correlated ones."""
  environment = {k: v for k, v in os.environ.items() if k != 'XLA_FLAGS'}
  result = subprocess.run(
    [sys.executable, '-c', PROGRAM, str(tmp_path)],
    env=environment,
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=False,
  )
  assert result.returncode == 0, result.stderr[-3000:]
  each = json.loads(result.stdout)
  assert np.mean(list(each.values())) > 0.95, each
  assert min(each.values()) > 0.85, each
