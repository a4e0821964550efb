"""Claims as inequalities between measures, and verdicts on them.

A claim says that one measure exceeds another by a margin. It is tested once
for each training seed. It holds if it holds for every seed and fails if it
fails for every seed. It is undecided if the seeds disagree, if their mean is
within two standard deviations of the margin, or if there is only one seed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

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
    values: greater - lesser for each seed; empty if it was not measured.
    verdict: 'holds', 'fails' or 'undecided'.
  """

  claim: Claim
  values: tuple[float, ...]
  verdict: str

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
  """Decides a claim from the measures of each seed."""
  differences = [
    _value(claim.greater, measures) - _value(claim.lesser, measures)
    for measures in seeds
  ]
  values = tuple(x for x in differences if math.isfinite(x))
  finding = Finding(claim, values, 'undecided')
  held = [value > claim.margin for value in values]
  if len(values) < 2 or any(held) != all(held):
    return finding
  if abs(finding.value - claim.margin) < 2 * finding.spread:
    return finding
  return finding._replace(verdict='holds' if all(held) else 'fails')


def _value(quantity: Quantity, measures: Measures) -> float:
  return measures.get(quantity.model, {}).get(quantity.measure, math.nan)
