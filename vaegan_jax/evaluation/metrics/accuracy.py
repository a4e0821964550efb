"""Accuracy of predicted attributes, for each attribute.

The value is NaN for an attribute that all counted images agree on; `mean`
leaves these out.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float, Float64

Values: TypeAlias = Float[np.ndarray, 'images attributes']
Flags: TypeAlias = Bool[np.ndarray, 'images attributes']
ByAttribute: TypeAlias = Float64[np.ndarray, ' attributes']


def balanced_accuracy(
  predicted: Flags, truth: Flags, *, visible: Flags | None = None
) -> ByAttribute:
  """Computes the balanced accuracy of each attribute, in [0, 1].

  It is the mean of the true positive rate and the true negative rate: 0.5 for
  a guess, however rare the attribute is.

  Args:
    predicted: the predicted attributes.
    truth: the true attributes.
    visible: which of them count in each image; all if None.
  """
  counted = np.ones_like(truth) if visible is None else visible
  with np.errstate(invalid='ignore'):
    positive, negative = (
      (right & case & counted).sum(0) / (case & counted).sum(0)
      for right, case in ((predicted, truth), (~predicted, ~truth))
    )
  return (positive + negative) / 2


def correlation(predicted: Values, truth: Values) -> ByAttribute:
  """Computes Pearson's correlation over images, in [-1, 1].

  It is 0 for constant predictions.
  """
  a, b = (x - x.mean(0, dtype=np.float64) for x in (predicted, truth))
  power_a, power_b = (a**2).sum(0), (b**2).sum(0)
  with np.errstate(invalid='ignore', divide='ignore'):
    result = (a * b).sum(0) / np.sqrt(power_a * power_b)
  result = np.where(power_a > 0, result, 0.0)
  return np.where(power_b > 0, result, np.nan)


def explained_variance(predicted: Values, truth: Values) -> ByAttribute:
  """Computes the explained variance R^2: 1 is perfect, the mean gives 0."""
  error = np.square(truth.astype(np.float64) - predicted).sum(0)
  spread = np.square(truth - truth.mean(0, dtype=np.float64)).sum(0)
  with np.errstate(invalid='ignore', divide='ignore'):
    return np.where(spread > 0, 1 - error / spread, np.nan)


def mean(values: ByAttribute) -> float:
  """Averages over the attributes that have a value; NaN if none has one."""
  known = values[~np.isnan(values)]
  return float(known.mean()) if len(known) else float('nan')
