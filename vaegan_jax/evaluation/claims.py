"""Claims as inequalities between measures, and verdicts on them.

A claim says that one measure exceeds another by a margin. It is tested once
for each training seed. It holds if it holds for every seed and fails if it
fails for every seed. It is undecided if a seed lacks a measure or has a NaN or
infinity, if the seeds disagree, if their mean is within two standard deviations
of the margin, or if there are fewer than three seeds.

Where the true difference is the margin, three seeds of normal noise still give
a verdict in 7 % of cases; two would in 22 %, and five do in 1 %.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from scipy import stats

# The seeds that a verdict needs.
LEAST = 3
# Model -> measure -> value, for one seed.
Measures: TypeAlias = Mapping[str, Mapping[str, float]]


class Quantity(NamedTuple):
  """A measure of a model: ('vaegan', 'samples/frechet')."""

  model: str
  measure: str


class Claim(NamedTuple):
  """A claim of the paper as an inequality: greater - lesser > margin.

  Attributes:
    statement: the claim in words.
    place: where the paper makes it.
    greater: the quantity that is claimed to be greater.
    lesser: the quantity that it is compared with.
    margin: the smallest difference, in the unit of the measure.
    detail: why this measure represents the claim.
  """

  statement: str
  place: str
  greater: Quantity
  lesser: Quantity
  margin: float
  detail: str


class Finding(NamedTuple):
  """The result of testing a claim.

  Attributes:
    claim: the claim.
    values: greater - lesser for each seed that has both.
    verdict: 'holds', 'fails' or 'undecided'.
    missing: what seeds lack: 'seed 1 has no samples/recall of vae'. Empty if no
      seed has a measure at all, as for scores, which have no attribute vectors.
  """

  claim: Claim
  values: tuple[float, ...]
  verdict: str
  missing: tuple[str, ...] = ()

  @property
  def value(self) -> float:
    """The mean over seeds; NaN if there is none."""
    return float(np.mean(self.values)) if self.values else float('nan')

  @property
  def spread(self) -> float:
    """The standard deviation over seeds; NaN for fewer than two."""
    if len(self.values) < 2:
      return float('nan')
    return float(np.std(self.values, ddof=1))


def decide(claim: Claim, seeds: Sequence[Measures]) -> Finding:
  """Decides a claim from the measures of each seed, counted from 0."""
  quantities = claim.greater, claim.lesser
  pairs = [[_value(q, measures) for q in quantities] for measures in seeds]
  if any(all(x is None for x in values) for values in zip(*pairs, strict=True)):
    return Finding(claim, (), 'undecided')
  missing = tuple(
    f'seed {seed} has {"no" if x is None else x} {q.measure} of {q.model}'
    for seed, pair in enumerate(pairs)
    for q, x in zip(quantities, pair, strict=True)
    if x is None or not math.isfinite(x)
  )
  differences = [a - b for a, b in pairs if a is not None and b is not None]
  values = tuple(x for x in differences if math.isfinite(x))
  finding = Finding(claim, values, 'undecided', missing)
  held = [value > claim.margin for value in values]
  if missing or len(values) < LEAST or any(held) != all(held):
    return finding
  if abs(finding.value - claim.margin) < 2 * finding.spread:
    return finding
  return finding._replace(verdict='holds' if all(held) else 'fails')


def chance(seeds: int) -> float:
  """Returns how often seeds of normal noise about the margin give a verdict.

  A mean beyond two standard deviations is a t statistic beyond 2 sqrt(seeds).
  All seeds then agree, except in cases too rare to count.
  """
  if seeds < LEAST:
    return 0.0
  return float(2 * stats.t.sf(2 * math.sqrt(seeds), seeds - 1))


def _value(quantity: Quantity, measures: Measures) -> float | None:
  return measures.get(quantity.model, {}).get(quantity.measure)
