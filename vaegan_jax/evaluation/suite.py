"""The evaluation suite: every measure of a trained model, by name.

`evaluate` runs a model through every evaluator. A name is the evaluator's and
the measure's: 'samples/frechet', 'reconstructions/psnr',
'attribute_vectors/flipped', 'similarity/cosine'.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from vaegan_jax import inference
from vaegan_jax.data import progress_bar
from vaegan_jax.evaluation import (
  attribute_vectors,
  evaluators,
  similarity,
  studies,
)

_LOGGER = logging.getLogger(__name__)

# Increase it whenever the same model would get other numbers.
VERSION = 6
# Draws of one trial; `runs` is at most this number.
DRAWS = 1_000
# Seeds of trials whose draws differ.
SEEDS = 2**32 // DRAWS


def evaluate(
  model: inference.Model, study: studies.Study, *, runs: int = 25, seed: int = 0
) -> dict[str, float]:
  """Runs every evaluator on a model.

  Args:
    model: trained on the study's data.
    study: what to measure with.
    runs: as in `evaluators.Trial`.
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
  trial = evaluators.Trial(model, study, runs, DRAWS * seed)
  found: dict[str, float] = {}
  with progress_bar.start(
    len(evaluators.EVALUATORS), label='evaluating', unit='evaluator'
  ) as bar:
    for prefix, evaluator in evaluators.EVALUATORS.items():
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
    'train': study.train.identity(),
    'test': study.test.identity(),
    'oracle': study.oracle.digest if study.oracle else None,
  }


def references(
  study: studies.Study, *, runs: int = 25, names: Sequence[str] = ()
) -> dict[str, dict[str, float]]:
  """Measures real images in place of samples.

  Args:
    study: what to measure with.
    runs: as in `evaluators.Trial`.
    names: the attributes that a conditional model is given; () is all.

  Returns:
    'real': `study.real()` as samples, the floor for every model; and the test
    images as samples for their own attributes, the first row of the paper's
    table. 'ignoring': random test images for each query, the value of good and
    varied images alone. 'frequencies': the mean attributes of the training
    images in place of predicted ones, the value of an answer that is the same
    for every query.
  """
  real = _named(
    'samples', evaluators.compare_samples(study.real().images, study)
  )
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
      evaluators.table_row(answer, oracle, queries, names=known, runs=count),
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
  some = study.train.take(study.train.spread(evaluators.ENCODED))
  has = np.asarray(some.attributes) > 0
  return evaluators.vectors(
    model.encode(some.images), has, some.attribute_names
  )


def _named(prefix: str, measures: evaluators.Measures) -> dict[str, float]:
  return {f'{prefix}/{name}': float(value) for name, value in measures}
