"""The evaluation suite: every measure of a trained model, by name.

`evaluate` runs a model through every evaluator. A name is the evaluator's and
the measure's: 'samples/frechet', 'reconstructions/psnr',
'attribute_vectors/flipped', 'similarity/cosine'.

Four evaluators compare sets of images by the same measures: what Dec makes of
codes from N(0, I) ('samples'), from a Gaussian fitted to the codes of training
images ('fitted_prior'), from q(z|x) of training images ('aggregated_posterior')
and of the mean codes of the test images ('reconstructions'). The last two say
what Dec can do; the first two, how far the prior reaches it.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from vaegan_jax import inference
from vaegan_jax.core import gaussian
from vaegan_jax.data import cache, progress_bar
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

# Increase it whenever the same model would get other numbers.
VERSION = 6
# Draws of one trial; `runs` is at most this number.
DRAWS = 1_000
# Seeds of trials whose draws differ.
SEEDS = 2**32 // DRAWS
# Training images for attribute vectors and for the aggregated posterior.
_ENCODED = 5_000


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
    count = max(_ENCODED, len(self.study.test.images))
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
  yield from _compare_samples(pixels, trial.study)


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
  yield from _compare_samples(pixels, trial.study)


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
  yield from _compare_samples(pixels, study)


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
    vectors=_vectors(codes, rows, names),
    shuffled=_vectors(codes, rows[order], names),
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
  yield from _table_row(
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


def evaluate(
  model: inference.Model, study: studies.Study, *, runs: int = 25, seed: int = 0
) -> dict[str, float]:
  """Runs every evaluator on a model.

  Args:
    model: trained on the study's data.
    study: what to measure with.
    runs: as in `Trial`.
    seed: the seed of the samples.

  Raises:
    ValueError: `runs` is above DRAWS, or `seed` not below SEEDS.
  """
  if not (1 <= runs <= DRAWS and 0 <= seed < SEEDS):
    raise ValueError(
      f'runs = {runs} and seed = {seed}: expected runs from 1 to {DRAWS} and a '
      f'seed from 0 to {SEEDS - 1}'
    )
  # A trial of one seed shares no draws with a trial of the next.
  trial = Trial(model, study, runs, DRAWS * seed)
  found: dict[str, float] = {}
  with progress_bar.start(
    len(EVALUATORS), label='evaluating', unit='evaluator'
  ) as bar:
    for prefix, evaluator in EVALUATORS.items():
      bar.set_postfix_str(prefix.replace('_', ' '))
      found |= _named(prefix, evaluator(trial))
      bar.update()
  return found


def conditions(study: studies.Study, *, runs: int) -> dict[str, Any]:
  """Returns what measures depend on besides the model, in JSON types.

  Measures can be compared if their conditions are equal.
  """
  return {
    'version': VERSION,
    'images': len(study.test.images),
    'runs': runs,
    'train': study.train.digest,
    'test': study.test.digest,
    'labels': _digest(study.train.attributes, study.test.attributes),
    'oracle': study.oracle.digest if study.oracle else None,
  }


def _digest(*arrays: np.ndarray | None) -> str:
  digest = hashlib.sha256()
  for array in arrays:
    if array is not None:
      digest.update(np.ascontiguousarray(array).tobytes())
  return digest.hexdigest()


def references(
  study: studies.Study, *, runs: int = 25, names: Sequence[str] = ()
) -> dict[str, dict[str, float]]:
  """Measures real images in place of samples.

  Args:
    study: what to measure with.
    runs: as in `Trial`.
    names: the attributes that a conditional model is given; () is all.

  Returns:
    'real': `study.real()` as samples, the floor for every model; and the test
    images as samples for their own attributes, the first row of the paper's
    table. 'ignoring': random test images for each query, the value of good and
    varied images alone. 'frequencies': the mean attributes of the training
    images in place of predicted ones, the value of an answer that is the same
    for every query.
  """
  real = _named('samples', _compare_samples(study.real().images, study))
  if study.oracle is None:
    return {'real': real}
  oracle, known = study.oracle, tuple(names) or study.test.attribute_names
  queries = np.asarray(study.test.with_attributes(known).attributes)
  predicted = oracle.predict(study.test.images)
  mean = np.asarray(study.train.attributes, np.float32).mean(axis=0)
  answers: dict[str, tuple[similarity.Answer, int]] = {
    'real': (lambda *_: predicted, 1),
    'ignoring': (similarity.ignoring(predicted), runs),
    'frequencies': (lambda rows, _: np.tile(mean, (len(rows), 1)), 1),
  }
  rows = {
    name: _named(
      'similarity',
      _table_row(answer, oracle, queries, names=known, runs=count),
    )
    for name, (answer, count) in answers.items()
  }
  return rows | {'real': real | rows['real']}


def vectors(
  model: inference.Model, study: studies.Study
) -> attribute_vectors.Vectors:
  """Computes the attribute vectors of the paper's figure 5.

  If the data have none of its attributes, all attributes of the data count.
  """
  some = study.train.take(study.train.spread(_ENCODED))
  has = np.asarray(some.attributes) > 0
  return _vectors(model.encode(some.images), has, some.attribute_names)


def _vectors(
  codes: np.ndarray, has: np.ndarray, known: tuple[str, ...]
) -> attribute_vectors.Vectors:
  names = tuple(name for name in attribute_vectors.PAPER if name in known)
  return attribute_vectors.compute(
    codes, has, attribute_names=known, names=names or known
  )


def _compare_samples(pixels: np.ndarray, study: studies.Study) -> Measures:
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


def _table_row(
  answer: similarity.Answer,
  oracle: oracles.Oracle,
  queries: np.ndarray,
  *,
  runs: int,
  **settings: Any,
) -> Measures:
  row = similarity.table_row(
    answer, oracle, queries, runs=runs, best_of=min(10, runs), **settings
  )
  yield from row._asdict().items()


def _named(prefix: str, measures: Measures) -> dict[str, float]:
  return {f'{prefix}/{name}': float(value) for name, value in measures}
