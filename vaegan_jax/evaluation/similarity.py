"""The paper's table: do images have the attributes that were asked for?

A conditional model makes images of each attribute vector of a test set, an
oracle predicts their attributes, and these are compared with the query. The
test set's own images give the figure that a perfect model would get; images
of other queries give that of a model that ignores what it is asked.

Scores are compared as they are. Binary attributes and their probabilities are
centred first, 2 p - 1: then an attribute that is asked to be absent counts as
much as one asked to be present, and an undecided oracle adds nothing to the
inner product. Of 0/1 vectors the cosine hardly sees what should be absent.

Source: section 4.2 of the paper, and its table of attribute similarity.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Shaped, UInt8

from vaegan_jax.evaluation.features import oracle

Pixels = UInt8[np.ndarray, '_images _height _width colours']
Queries = Shaped[np.ndarray, 'queries attributes']
# Attribute vectors and a seed -> an image of each.
Generate = Callable[[np.ndarray, int], np.ndarray]


class Row(NamedTuple):
  """A row of the table.

  Attributes:
    cosine: of an image's predicted attributes and its query, from -1 to 1: the
      best of `best_of` images, averaged over queries. The paper's figure.
    cosine_mean: the same averaged over those images.
    squared_error: summed over attributes, averaged over queries and runs: in
      squared units of the scores; of binary attributes, one that is certainly
      wrong costs 4.
    deviation: of the error from run to run, its standard deviation; 0 of a
      single run.
    queries: how many.
    best_of: images a query for the cosine.
    runs: images a query for the error.
  """

  cosine: float
  cosine_mean: float
  squared_error: float
  deviation: float
  queries: int
  best_of: int
  runs: int


def table_row(
  generate: Generate,
  judge: oracle.Oracle,
  queries: Queries,
  *,
  names: tuple[str, ...] | None = None,
  runs: int = 25,
  best_of: int = 10,
  seed: int = 0,
) -> Row:
  """Measures a conditional model.

  The images of the cosine are among those of the error.

  Args:
    generate: makes an image of each attribute vector, others for each seed.
    judge: predicts the attributes of images.
    queries: attributes of test images, as the data set has them.
    names: of their columns; all that the oracle knows, in its order, if None.
    runs: images a query for the error.
    best_of: images a query for the cosine.
    seed: of the first run; the others count on.

  Raises:
    ValueError: the queries do not fit the oracle, or a number is below 1.
  """
  if min(runs, best_of) < 1:
    raise ValueError(
      f'runs = {runs} and best_of = {best_of}: give at least 1 each'
    )
  names = judge.attribute_names if names is None else names
  _check(judge, queries, names=names)
  cosines, errors = [], []
  for run in range(max(runs, best_of)):
    pixels = generate(queries, seed + run)
    cosine, error = _compare(judge, pixels, queries, names=names)
    cosines.append(cosine)
    errors.append(error.mean())
  errors = errors[:runs]
  chosen = np.stack(cosines[:best_of])
  return Row(
    cosine=float(chosen.max(0).mean()),
    cosine_mean=float(chosen.mean()),
    squared_error=float(np.mean(errors)),
    deviation=float(np.std(errors, ddof=1)) if runs > 1 else 0.0,
    queries=len(queries),
    best_of=best_of,
    runs=runs,
  )


def test_row(judge: oracle.Oracle, pixels: Pixels, queries: Queries) -> Row:
  """Measures the test images themselves: one image a query.

  Raises:
    ValueError: the queries do not fit the oracle or the images.
  """
  return table_row(lambda *_: pixels, judge, queries, runs=1, best_of=1)


def ignoring(pixels: Pixels) -> Generate:
  """Makes a model that ignores its queries: it gives the images of others.

  Its row is what images get for being good and varied, whatever is asked; a
  conditional model has learned something where its own row is better.

  Args:
    pixels: of the test images.
  """

  def generate(queries: np.ndarray, seed: int) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return pixels[generator.integers(len(pixels), size=len(queries))]

  return generate


def _compare(
  judge: oracle.Oracle,
  pixels: Pixels,
  queries: Queries,
  *,
  names: tuple[str, ...],
) -> tuple[Float64[np.ndarray, ' queries'], Float64[np.ndarray, ' queries']]:
  """Gives each query's cosine and squared error."""
  if len(pixels) != len(queries):
    raise ValueError(
      f'{len(pixels)} images of {len(queries)} queries: expected one of each'
    )
  asked = queries.astype(np.float64)
  columns = [judge.attribute_names.index(name) for name in names]
  shown = judge.predict(pixels)[:, columns].astype(np.float64)
  if judge.binary:
    asked, shown = 2 * asked - 1, 2 * shown - 1
  lengths = np.linalg.norm(asked, axis=1) * np.linalg.norm(shown, axis=1)
  inner = (asked * shown).sum(1)
  # Vectors of no length point nowhere: their cosine is 0.
  cosine = np.divide(inner, lengths, out=0 * inner, where=lengths > 0)
  return cosine, np.square(asked - shown).sum(1)


def _check(
  judge: oracle.Oracle, queries: Queries, *, names: tuple[str, ...]
) -> None:
  unknown = [name for name in names if name not in judge.attribute_names]
  if unknown:
    raise ValueError(
      f'queries of {", ".join(unknown)}: the oracle knows '
      f'{", ".join(judge.attribute_names)}'
    )
  if not len(queries) or queries.shape[1] != len(names):
    raise ValueError(
      f'queries of shape {queries.shape}: expected at least one, of '
      f'{len(names)} attributes'
    )
  if judge.binary and not np.isin(queries, (0, 1)).all():
    raise ValueError(
      f'queries from {queries.min()} to {queries.max()}: expected 0 or 1, as '
      'the oracle knows binary attributes'
    )
