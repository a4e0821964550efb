"""Claims as comparisons of measures, and the verdict that measurements give.

A claim says that one measure exceeds another by a margin. It is put to the
test once for each seed that models were trained with: it holds if it held for
every one, fails if it held for none, and cannot be decided if the seeds
disagree, if their mean is within two standard deviations of the margin, or if
there is only one of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

# Model -> measure -> value, of one seed.
Measures = Mapping[str, Mapping[str, float]]


class Quantity(NamedTuple):
  """A measure of a model: ('vaegan', 'samples/frechet')."""

  model: str
  measure: str


class Claim(NamedTuple):
  """What the paper says, as an inequality: greater - lesser > margin.

  Attributes:
    statement: the claim in words.
    place: where the paper makes it.
    greater: what is said to be greater.
    lesser: than what.
    margin: by how much, at least; in the measure's unit.
    detail: why this measure stands for the claim.
  """

  statement: str
  place: str
  greater: Quantity
  lesser: Quantity
  margin: float
  detail: str


class Finding(NamedTuple):
  """What became of a claim.

  Attributes:
    claim: the claim.
    values: greater - lesser of each seed; none where it was not measured.
    verdict: 'holds', 'fails' or 'undecided'.
  """

  claim: Claim
  values: tuple[float, ...]
  verdict: str

  @property
  def value(self) -> float:
    """The mean over seeds; NaN if nothing was measured."""
    return float(np.mean(self.values)) if self.values else float('nan')

  @property
  def spread(self) -> float:
    """The standard deviation over seeds; NaN of fewer than two."""
    if len(self.values) < 2:
      return float('nan')
    return float(np.std(self.values, ddof=1))


def judge(claim: Claim, seeds: Sequence[Measures]) -> Finding:
  """Compares a claim with what was measured of each seed's models."""
  differences = [
    _value(claim.greater, measures) - _value(claim.lesser, measures)
    for measures in seeds
    if _is_measured(claim, measures)
  ]
  values = tuple(x for x in differences if math.isfinite(x))
  finding = Finding(claim, values, 'undecided')
  held = [value > claim.margin for value in values]
  if len(values) < 2 or any(held) != all(held):
    return finding
  if abs(finding.value - claim.margin) < 2 * finding.spread:
    return finding
  return finding._replace(verdict='holds' if all(held) else 'fails')


def _is_measured(claim: Claim, measures: Measures) -> bool:
  return all(
    quantity.measure in measures.get(quantity.model, {})
    for quantity in (claim.greater, claim.lesser)
  )


def _value(quantity: Quantity, measures: Measures) -> float:
  return measures[quantity.model][quantity.measure]
