"""Evaluators: each yields some measures of a trained model in a study.

Four compare sets of images by the same measures: what Dec makes of codes from
N(0, I) ('samples'), from a Gaussian fitted to the codes of training images
('fitted_prior'), from q(z|x) of training images ('aggregated_posterior') and of
the mean codes of the test images ('reconstructions'). The last two say what Dec
can do; the first two, how far the prior reaches it.
"""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np

from vaegan_jax import inference
from vaegan_jax.core import gaussian
from vaegan_jax.data import cache
from vaegan_jax.evaluation import (
  attribute_vectors,
  editing,
  features,
  similarity,
  studies,
)
from vaegan_jax.evaluation.features import oracles
from vaegan_jax.evaluation.metrics import distances, quality

_LOGGER = logging.getLogger(__name__)

# Training images for attribute vectors and for the aggregated posterior.
ENCODED = 5_000


@dataclasses.dataclass(frozen=True)
class Trial:
  """A model in a study, and what several evaluators need of the two.

  Attributes:
    model: trained on the study's data.
    study: what it is measured with.
    runs: images per query for the squared error of a conditional model; the
      cosine takes the best of up to ten of them.
    seed: the seed of the samples.
  """

  model: inference.Model
  study: studies.Study
  runs: int
  seed: int

  def condition(self) -> np.ndarray | None:
    """Returns the test images' attributes for a conditional model."""
    names = self.model.attribute_names
    return self.study.test.with_attributes(names).attributes

  @functools.cached_property
  def train(self) -> cache.Dataset:
    """Training images with all their attributes."""
    count = max(ENCODED, len(self.study.test.images))
    return self.study.train.take(self.study.train.spread(count))

  @functools.cached_property
  def posterior(self) -> tuple[np.ndarray, np.ndarray]:
    """The mean and log variance of q(z|x) of the training images."""
    names = self.model.attribute_names
    some = self.train.with_attributes(names)
    return self.model.posterior(some.images, some.attributes)

  @functools.cached_property
  def codes(self) -> np.ndarray:
    """The mean codes of the test images."""
    return self.model.encode(self.study.test.images, self.condition())

  @functools.cached_property
  def reconstructions(self) -> features.ImageSet:
    """The reconstructions of the test images."""
    pixels = self.model.decode(self.codes, self.condition())
    return features.describe(pixels, self.study.extract)


Measures: TypeAlias = Iterator[tuple[str, float]]


def _samples(trial: Trial) -> Measures:
  count = len(trial.study.test.images)
  pixels = trial.model.sample(count, trial.condition(), seed=trial.seed)
  yield from compare_samples(pixels, trial.study)


def _fitted_prior(trial: Trial) -> Measures:
  if not trial.model.encodes:
    return
  prior = gaussian.fit(*trial.posterior)
  pixels = trial.model.sample(
    len(trial.study.test.images),
    trial.condition(),
    prior=prior,
    seed=trial.seed,
  )
  yield from compare_samples(pixels, trial.study)


def _aggregated_posterior(trial: Trial) -> Measures:
  model, study = trial.model, trial.study
  if not model.encodes:
    return
  rows = trial.train.spread(len(study.test.images))
  some = trial.train.take(rows).with_attributes(model.attribute_names)
  mean, log_var = (x[rows] for x in trial.posterior)
  noise = np.random.default_rng(trial.seed).standard_normal(mean.shape)
  codes = mean + np.exp(log_var / 2) * noise
  pixels = model.decode(codes.astype(np.float32), some.attributes)
  yield from compare_samples(pixels, study)


def _reconstructions(trial: Trial) -> Measures:
  if not trial.model.encodes:
    return
  study, found = trial.study, trial.reconstructions
  yield from _compare(found, study)
  yield from quality.compare_pairs(found, study.test_set).items()
  if study.oracle is not None:
    pixels = found.pixels, study.test.images
    yield 'agreement', oracles.agreement(study.oracle, *pixels)


def _attribute_vectors(trial: Trial) -> Measures:
  model, study = trial.model, trial.study
  oracle = study.oracle
  if not model.encodes or model.attribute_names:
    return
  if oracle is None or not oracle.binary:
    return
  codes, rows = trial.posterior[0], np.asarray(trial.train.attributes) > 0
  order = np.random.default_rng(trial.seed).permutation(len(rows))
  names = trial.train.attribute_names
  edits = editing.edit_all(
    editing.Encoded(model, oracle, trial.codes, trial.reconstructions.pixels),
    vectors=vectors(codes, rows, names),
    shuffled=vectors(codes, rows[order], names),
    test=study.test,
    visible=study.visible,
    counterfactual=study.counterfactual,
  )
  if edits.skipped:
    _LOGGER.info(
      'No attribute vector of %s: too few images have, lack or can gain it.',
      ', '.join(edits.skipped),
    )
  # Empty if every reconstruction has all attributes.
  if edits.by_name:
    yield from editing.summary(edits).items()


def _similarity(trial: Trial) -> Measures:
  model, oracle, queries = trial.model, trial.study.oracle, trial.condition()
  if oracle is None or queries is None:
    return
  yield from table_row(
    lambda rows, seed: oracle.predict(model.sample(len(rows), rows, seed=seed)),
    oracle,
    queries,
    names=model.attribute_names,
    runs=trial.runs,
    seed=trial.seed,
  )


# What is measured. An evaluator yields nothing for models without it: a GAN has
# no reconstructions, and only a conditional model has attribute similarity.
EVALUATORS: Mapping[str, Callable[[Trial], Measures]] = {
  'samples': _samples,
  'fitted_prior': _fitted_prior,
  'aggregated_posterior': _aggregated_posterior,
  'reconstructions': _reconstructions,
  'attribute_vectors': _attribute_vectors,
  'similarity': _similarity,
}


def vectors(
  codes: np.ndarray, has: np.ndarray, known: tuple[str, ...]
) -> attribute_vectors.Vectors:
  """Computes the vectors of the paper's attributes; if none is known, of all.

  Args:
    codes: the mean codes of images.
    has: which attributes each image has.
    known: the names of the attributes.
  """
  names = tuple(name for name in attribute_vectors.PAPER if name in known)
  return attribute_vectors.compute(
    codes, has, attribute_names=known, names=names or known
  )


def compare_samples(pixels: np.ndarray, study: studies.Study) -> Measures:
  """Compares samples with as many test images."""
  yield from _compare(features.describe(pixels, study.extract), study)


def _compare(images: features.ImageSet, study: studies.Study) -> Measures:
  """Compares images with as many test images."""
  reference = study.test_set.spread(len(images.pixels))
  measures = distances.compare_sets(images, reference)
  yield from measures.items()
  ratio = measures['high_frequency_ratio']
  # 1 is as sharp as real images; blur and noise both lower it.
  yield 'sharpness', min(ratio, 1 / ratio) if ratio > 0 else 0.0
  if study.inception is not None:
    seen = study.inception_set.spread(len(images.pixels))
    pair = study.inception(images.pixels), seen.features
    yield 'fid', distances.frechet(*pair)
    yield 'kid', distances.kernel(*pair)


def table_row(
  answer: similarity.Answer,
  oracle: oracles.Oracle,
  queries: np.ndarray,
  *,
  runs: int,
  **settings: Any,
) -> Measures:
  """Measures how samples answer queries; see `similarity.table_row`."""
  row = similarity.table_row(
    answer, oracle, queries, runs=runs, best_of=min(10, runs), **settings
  )
  yield from row._asdict().items()
