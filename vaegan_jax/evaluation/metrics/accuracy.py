"""How well predicted attributes agree with true ones, attribute by attribute.

An attribute that is the same in all images counted has no such measure: it is
NaN, and `mean` leaves it out.
"""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Float64

Values = Float[np.ndarray, 'images attributes']
Flags = Bool[np.ndarray, 'images attributes']
Each = Float64[np.ndarray, ' attributes']


def balanced(
  predicted: Flags, truth: Flags, *, visible: Flags | None = None
) -> Each:
  """Computes the balanced accuracy of each attribute, in [0, 1].

  The mean of the share found among images that have the attribute and the
  share rejected among those that lack it: 0.5 for a guess, however rare the
  attribute is.

  Args:
    predicted: which attributes are said to hold.
    truth: which do.
    visible: which of them count in each image; all if None.
  """
  counted = np.ones_like(truth) if visible is None else visible
  with np.errstate(invalid='ignore'):
    shares = [
      (right & case & counted).sum(0) / (case & counted).sum(0)
      for right, case in ((predicted, truth), (~predicted, ~truth))
    ]
  return (shares[0] + shares[1]) / 2


def correlation(predicted: Values, truth: Values) -> Each:
  """Computes Pearson's correlation over images, in [-1, 1].

  Predictions that are all the same correlate with nothing: 0.
  """
  a, b = (x - x.mean(0, dtype=np.float64) for x in (predicted, truth))
  power_a, power_b = (a**2).sum(0), (b**2).sum(0)
  with np.errstate(invalid='ignore', divide='ignore'):
    result = (a * b).sum(0) / np.sqrt(power_a * power_b)
  result = np.where(power_a > 0, result, 0.0)
  return np.where(power_b > 0, result, np.nan)


def explained(predicted: Values, truth: Values) -> Each:
  """Computes the explained variance R^2: 1 is perfect, the mean gives 0."""
  error = np.square(truth.astype(np.float64) - predicted).sum(0)
  spread = np.square(truth - truth.mean(0, dtype=np.float64)).sum(0)
  with np.errstate(invalid='ignore', divide='ignore'):
    return np.where(spread > 0, 1 - error / spread, np.nan)


def mean(each: Each) -> float:
  """Averages over attributes that have a value; NaN if none has."""
  known = each[~np.isnan(each)]
  return float(known.mean()) if len(known) else float('nan')
