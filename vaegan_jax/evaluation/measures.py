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
from vaegan_jax.data import cache, faces
from vaegan_jax.evaluation import (
  attributes,
  distances,
  editing,
  oracle,
  quality,
  random_network,
  similarity,
)

# Raise it whenever the same model would get other numbers.
VERSION = 1
# Training images from which attribute vectors are computed.
_ENCODED = 5_000
# Cartoon faces that the oracle learns from.
_INDEPENDENT = 40_000


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
  """

  train: cache.Dataset
  test: cache.Dataset
  judge: oracle.Oracle | None
  features: quality.Extract
  visible: Bool[np.ndarray, 'images attributes'] | None = None
  counterfactual: Callable[[np.ndarray, str], np.ndarray] | None = None

  def condition(self, model: inference.Model) -> np.ndarray | None:
    """Gives the test images' attributes that a conditional model wants."""
    return self.test.attributed(model.attribute_names).attributes


def prepare(
  source: cache.Source,
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
    ValueError: as `cache.load` and `oracle.load`.
  """
  train, test = (
    cache.load(source, split=split, directory=directory)
    for split in ('train', 'test')
  )
  test = test.first(images)
  if test.attributes is None:
    features = random_network.features(test.images.shape[1:])
    return Study(train, test, None, features)
  visible = counterfactual = None
  learned = train
  if isinstance(source, faces.Faces):
    visible = source.visible('test', 0, len(test.images))
    counterfactual = functools.partial(_redraw, source)
    # Of faces whose attributes are independent it learns what each looks like,
    # not which others it comes with.
    independent = dataclasses.replace(
      source, correlated=False, seed=source.seed + 1, train=_INDEPENDENT
    )
    learned = cache.load(independent, split='train', directory=directory)
  judge = oracle.load(
    learned, test, directory=directory, steps=oracle_steps, visible=visible
  )
  return Study(train, test, judge, judge.features, visible, counterfactual)


def _redraw(
  source: faces.Faces, places: np.ndarray, name: str
) -> quality.Pixels:
  return source.counterfactual('test', places, name).pixels


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
  samples = model.sample(len(images), condition, seed=seed)
  found = _named(
    'samples', distances.samples(samples, images, features=study.features)
  )
  if model.encodes:
    made = model.reconstruct(images, condition)
    found |= _named('reconstructions', _reconstructions(made, study))
  judge = study.judge
  if model.encodes and judge and judge.binary and not model.attribute_names:
    found |= editing.summary(_edits(model, study, judge))
  if study.judge is not None and model.attribute_names:
    row = similarity.table_row(
      lambda queries, seed: model.sample(len(queries), queries, seed=seed),
      study.judge,
      np.asarray(study.test.attributes),
      runs=runs,
      best_of=min(10, runs),
      seed=seed,
    )
    found |= _named('similarity', _similarity(row))
  return found


def floor(study: Study) -> dict[str, float]:
  """Measures real images as if a model had made them.

  Training images take the place of samples: no model can be expected to be
  nearer to as many test images. The test images' own predicted attributes are
  the first row of the paper's table.
  """
  images = study.test.images
  others = study.train.first(len(images)).images
  found = _named(
    'samples',
    distances.samples(others, images[: len(others)], features=study.features),
  )
  if study.judge is not None:
    row = similarity.test_row(
      study.judge, images, np.asarray(study.test.attributes)
    )
    found |= _named('similarity', _similarity(row))
  return found


def vectors(model: inference.Model, study: Study) -> attributes.Vectors:
  """Computes the attribute vectors of the paper's figure 5."""
  some = study.train.first(_ENCODED)
  names = some.attribute_names
  return attributes.vectors(
    model.encode(some.images),
    np.asarray(some.attributes).astype(bool),
    attribute_names=names,
    names=tuple(name for name in attributes.PAPER if name in names),
  )


def _edits(
  model: inference.Model, study: Study, judge: oracle.Oracle
) -> editing.Edits:
  return editing.measure(
    model,
    judge,
    vectors=vectors(model, study),
    test=study.test,
    visible=study.visible,
    counterfactual=study.counterfactual,
  )


def _reconstructions(made: np.ndarray, study: Study) -> dict[str, float]:
  images = study.test.images
  found = quality.reconstructions(made, images, features=study.features)
  if study.judge is not None:
    found['agreement'] = attributes.agreement(study.judge, made, images)
  return found


def _similarity(row: similarity.Row) -> dict[str, float]:
  return {
    name: getattr(row, name)
    for name in ('cosine', 'cosine_mean', 'squared_error', 'deviation')
  }


def _named(prefix: str, values: Mapping[str, float]) -> dict[str, float]:
  return {f'{prefix}/{name}': float(value) for name, value in values.items()}
