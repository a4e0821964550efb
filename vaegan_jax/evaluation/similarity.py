"""The paper's table: do conditional samples have the requested attributes?

A conditional model makes images of each attribute vector of a test set (the
queries), an oracle predicts their attributes, and these are compared with the
queries. The test images themselves give the value of a perfect model; images
of other queries give the value of a model that ignores its queries.

Scores are compared as they are. Binary attributes and their probabilities are
centred first, 2 p - 1: absent attributes then count as much as present ones,
and an undecided oracle adds nothing to the inner product. The cosine of 0/1
vectors would hardly depend on absent attributes.

Source: section 4.2 of the paper, and its table of attribute similarity.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float32, Float64, Shaped

from vaegan_jax.evaluation.features import oracles

Predicted: TypeAlias = Float32[np.ndarray, '_images _attributes']
Queries: TypeAlias = Shaped[np.ndarray, 'queries attributes']
# Queries and a seed -> what an oracle predicts of an image of each query.
Answer: TypeAlias = Callable[[np.ndarray, int], np.ndarray]


class Row(NamedTuple):
  """A row of the table.

  Attributes:
    cosine: the cosine of predicted attributes and query, from -1 to 1: the
      best of `best_of` images, averaged over queries. The paper's figure.
    cosine_mean: the same, averaged over those images.
    squared_error: summed over attributes, averaged over queries and runs, in
      squared units of the scores. A binary attribute that is certainly wrong
      adds 4.
    deviation: the standard deviation of the error over runs; 0 for one run.
  """

  cosine: float
  cosine_mean: float
  squared_error: float
  deviation: float


def table_row(
  answer: Answer,
  oracle: oracles.Oracle,
  queries: Queries,
  *,
  names: tuple[str, ...] | None = None,
  runs: int = 25,
  best_of: int = 10,
  seed: int = 0,
) -> Row:
  """Measures a conditional model; cosine and error share their images.

  Args:
    answer: makes an image of each query, and predicts its attributes; other
      seeds, other images.
    oracle: what predicts them.
    queries: attributes of test images, as the data set has them.
    names: the names of their columns; those of the oracle if None.
    runs: images per query for the error.
    best_of: images per query for the cosine.
    seed: the seed of the first run; run i uses seed + i.

  Raises:
    ValueError: the queries do not fit the oracle, or a number is below 1.
  """
  if min(runs, best_of) < 1:
    raise ValueError(
      f'runs = {runs} and best_of = {best_of}: expected at least 1 each'
    )
  names = oracle.attribute_names if names is None else names
  _check(oracle, queries, names=names)
  comparisons = [
    _compare(oracle, answer(queries, seed + run), queries, names=names)
    for run in range(max(runs, best_of))
  ]
  cosines = np.stack([cosine for cosine, _ in comparisons[:best_of]])
  errors = [error.mean() for _, error in comparisons[:runs]]
  return Row(
    cosine=float(cosines.max(0).mean()),
    cosine_mean=float(cosines.mean()),
    squared_error=float(np.mean(errors)),
    deviation=float(np.std(errors, ddof=1)) if runs > 1 else 0.0,
  )


def ignoring(predicted: Predicted) -> Answer:
  """Returns a model that ignores its queries and draws from given images.

  Its row is the value of good and varied images alone; a conditional model
  should exceed it.

  Args:
    predicted: what the oracle predicts of the test images.
  """

  def answer(queries: np.ndarray, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return predicted[generator.integers(len(predicted), size=len(queries))]

  return answer


def _compare(
  oracle: oracles.Oracle,
  predicted: Predicted,
  queries: Queries,
  *,
  names: tuple[str, ...],
) -> tuple[Float64[np.ndarray, ' queries'], Float64[np.ndarray, ' queries']]:
  """Computes the cosine and the squared error of each query."""
  if len(predicted) != len(queries):
    raise ValueError(
      f'{len(predicted)} images of {len(queries)} queries: expected one of each'
    )
  query = queries.astype(np.float64)
  columns = [oracle.attribute_names.index(name) for name in names]
  predicted = predicted[:, columns].astype(np.float64)
  if oracle.binary:
    query, predicted = 2 * query - 1, 2 * predicted - 1
  lengths = np.linalg.norm(query, axis=1) * np.linalg.norm(predicted, axis=1)
  inner = (query * predicted).sum(1)
  # Vectors of length 0 have no direction: their cosine is 0.
  cosine = np.divide(inner, lengths, out=0 * inner, where=lengths > 0)
  return cosine, np.square(query - predicted).sum(1)


def _check(
  oracle: oracles.Oracle, queries: Queries, *, names: tuple[str, ...]
) -> None:
  unknown = [name for name in names if name not in oracle.attribute_names]
  if unknown:
    raise ValueError(
      f'queries of {", ".join(unknown)}: the oracle predicts '
      f'{", ".join(oracle.attribute_names)}'
    )
  if not len(queries) or queries.shape[1] != len(names):
    raise ValueError(
      f'queries of shape {queries.shape}: expected at least one, of '
      f'{len(names)} attributes'
    )
  if oracle.binary and not np.isin(queries, (0, 1)).all():
    raise ValueError(
      f'queries from {queries.min()} to {queries.max()}: expected 0 or 1, as '
      'the attributes of the oracle are binary'
    )
