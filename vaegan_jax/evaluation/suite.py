"""All that is measured of a trained model, by name.

A study holds what a data set is measured with; `measure` runs a model through
it. The names say what was looked at: 'samples/frechet',
'reconstructions/psnr', 'attribute_vectors/flipped', 'similarity/cosine'.
"""

from __future__ import annotations

import dataclasses
import functools
import pathlib
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from vaegan_jax import inference
from vaegan_jax.data import cache, sources
from vaegan_jax.data.sources import faces
from vaegan_jax.evaluation import attribute_vectors, editing, similarity
from vaegan_jax.evaluation.features import oracle, random_network
from vaegan_jax.evaluation.metrics import distances, quality

# Raise it whenever the same model would get other numbers.
VERSION = 2
# Training images from which attribute vectors are computed.
_ENCODED = 5_000
# Cartoon faces that the oracle learns from.
_INDEPENDENT = 40_000
# Fewer test images than that say nothing, and the figures want as many.
_LEAST = 20


class Study(NamedTuple):
  """What a data set is measured with.

  Attributes:
    train: images that models were trained on.
    test: as many held-out images as are measured, in memory.
    judge: predicts attributes; None where the data have none.
    features: of images, for distances between sets of them.
    visible: which attributes the test images show, where that is known.
    counterfactual: draws test images again with an attribute flipped, where
      that can be done.
    learned: images apart that the judge learned from; None: those of `train`.
  """

  train: cache.Dataset
  test: cache.Dataset
  judge: oracle.Oracle | None
  features: quality.Extract
  visible: Bool[np.ndarray, 'images attributes'] | None = None
  counterfactual: Callable[[np.ndarray, str], np.ndarray] | None = None
  learned: cache.Dataset | None = None

  def condition(self, model: inference.Model) -> np.ndarray | None:
    """Gives the test images' attributes that a conditional model wants."""
    return self.test.with_attributes(model.attribute_names).attributes


def prepare(
  source: sources.Source,
  *,
  directory: pathlib.Path | None = None,
  images: int = 2_000,
  oracle_steps: int = 2_000,
) -> Study:
  """Prepares the study of a data set; its oracle is trained if there is none.

  Args:
    source: of the images.
    directory: where caches lie; the user's if None.
    images: of the test split that are measured; all, if there are fewer.
    oracle_steps: batches that the oracle is trained for.

  Raises:
    ValueError: there are too few test images, or as `cache.load` and
      `oracle.load` say.
  """
  train, test = (
    cache.load(source, split=split, directory=directory)
    for split in ('train', 'test')
  )
  places = test.spread(images)
  test = test.take(places)
  if len(test.images) < _LEAST:
    raise ValueError(
      f'{len(test.images)} test images of {source.name} to measure: expected '
      f'at least {_LEAST}; ask for more, or take a larger data set'
    )
  if test.attributes is None:
    features = random_network.features(test.images.shape[1:])
    return Study(train, test, None, features)
  visible = counterfactual = learned = None
  if isinstance(source, faces.Faces):
    visible = source.visible('test', 0, source.length('test'))[places]
    counterfactual = functools.partial(_redraw, source, places)
    # Of faces whose attributes are independent it learns what each looks like,
    # not which others it comes with.
    independent = dataclasses.replace(
      source, correlated=False, seed=source.seed + 1, train=_INDEPENDENT
    )
    learned = cache.load(independent, split='train', directory=directory)
  judge = oracle.load(
    learned or train,
    test,
    directory=directory,
    steps=oracle_steps,
    visible=visible,
  )
  return Study(
    train,
    test,
    judge,
    judge.features,
    visible=visible,
    counterfactual=counterfactual,
    learned=learned,
  )


def measure(
  model: inference.Model, study: Study, *, runs: int = 25, seed: int = 0
) -> dict[str, float]:
  """Measures a model by everything that it and the data set permit.

  Args:
    model: trained on the study's data.
    study: what to measure with.
    runs: images of each attribute vector for the squared error of a
      conditional model; the cosine takes the best of up to ten of them.
    seed: of the samples.
  """
  images, condition = study.test.images, study.condition(model)
  # Runs of one seed never share their draws with those of the next.
  first = 1_000 * seed
  samples = model.sample(len(images), condition, seed=first)
  found = _samples(samples, images, study)
  if model.encodes:
    made = model.reconstruct(images, condition)
    found |= _named('reconstructions', _reconstructions(made, study))
  judge = study.judge
  if model.encodes and judge and judge.binary and condition is None:
    found |= _edits(model, study, judge, seed=first)
  if judge is not None and condition is not None:
    found |= _similarity(
      similarity.table_row(
        lambda queries, seed: model.sample(len(queries), queries, seed=seed),
        judge,
        condition,
        names=model.attribute_names,
        runs=runs,
        best_of=min(10, runs),
        seed=first,
      )
    )
  return found


def fid(
  model: inference.Model,
  study: Study,
  *,
  features: quality.Extract,
  seed: int = 0,
) -> float:
  """Computes the Fréchet Inception distance of as many samples as test images.

  Args:
    model: trained on the study's data.
    study: whose test images are the reference.
    features: those of `inception.load`.
    seed: of the samples.
  """
  images = study.test.images
  samples = model.sample(len(images), study.condition(model), seed=1_000 * seed)
  return distances.frechet(features(samples), features(images))


def references(study: Study, *, runs: int = 25) -> dict[str, dict[str, float]]:
  """Measures real images as if models had made them.

  Returns:
    'real': training images in the place of samples, of which no model can be
    expected to be nearer to as many test images; and the test images as their
    own answer to their attributes, the first row of the paper's table.
    'ignoring': real test images, whatever attributes are asked for: what
    images get for being good and varied alone.
  """
  images = study.test.images
  others = study.train.take(study.train.spread(len(images))).images
  real = _samples(others, images[: len(others)], study)
  if study.judge is None:
    return {'real': real}
  queries = np.asarray(study.test.attributes)
  ignoring = similarity.table_row(
    similarity.ignoring(images),
    study.judge,
    queries,
    runs=runs,
    best_of=min(10, runs),
  )
  real |= _similarity(similarity.test_row(study.judge, images, queries))
  return {'real': real, 'ignoring': _similarity(ignoring)}


def vectors(model: inference.Model, study: Study) -> attribute_vectors.Vectors:
  """Computes the attribute vectors of the paper's figure 5.

  Where the data have none of its attributes, those of all that they have.
  """
  some = study.train.take(study.train.spread(_ENCODED))
  known = some.attribute_names
  return attribute_vectors.vectors(
    model.encode(some.images),
    np.asarray(some.attributes) > 0,
    attribute_names=known,
    names=tuple(name for name in attribute_vectors.PAPER if name in known)
    or known,
  )


def _redraw(
  source: faces.Faces, places: np.ndarray, chosen: np.ndarray, name: str
) -> quality.Pixels:
  """Draws some of the images at `places` with an attribute flipped."""
  return source.counterfactual('test', places[chosen], name).pixels


def _samples(
  pixels: np.ndarray, images: np.ndarray, study: Study
) -> dict[str, float]:
  found = distances.samples(pixels, images, features=study.features)
  ratio = found['high_frequency_ratio']
  # 1 is as sharp as real; both blur and grain are less.
  found['sharpness'] = min(ratio, 1 / ratio) if ratio > 0 else 0.0
  return _named('samples', found)


def _edits(
  model: inference.Model, study: Study, judge: oracle.Oracle, *, seed: int
) -> dict[str, float]:
  edits = editing.measure(
    model,
    judge,
    vectors=vectors(model, study),
    test=study.test,
    visible=study.visible,
    counterfactual=study.counterfactual,
    random=3,
    seed=seed,
  )
  # None can be measured of a model whose every image has all attributes.
  return editing.summary(edits) if edits.by_name else {}


def _reconstructions(made: np.ndarray, study: Study) -> dict[str, float]:
  images = study.test.images
  found = quality.reconstructions(made, images, features=study.features)
  if study.judge is not None:
    found['agreement'] = attribute_vectors.agreement(study.judge, made, images)
  return found


def _similarity(row: similarity.Row) -> dict[str, float]:
  names = ('cosine', 'cosine_mean', 'squared_error', 'deviation')
  return _named('similarity', {name: getattr(row, name) for name in names})


def _named(prefix: str, values: Mapping[str, float]) -> dict[str, float]:
  return {f'{prefix}/{name}': float(value) for name, value in values.items()}
