"""The points of Winograd's filtering, and the matrices that evaluate there.

In the notation of Lavin and Gray: A and G evaluate a tile's cotangent and a
filter at the points, B a tile's inputs (winograd.py).
"""

from __future__ import annotations

import numpy as np

# Outputs and taps in each direction, m and r in the notation of Lavin and Gray.
TILE, TAPS = 4, 3
# Inputs of a tile, and points, in each direction.
POINTS = TILE + TAPS - 1
# The points other than infinity. Among the symmetric sets of short binary
# fractions that were tried, this one has half the rounding of 0, 1, -1, 2, -2.
_FINITE_POINTS = (0, 0.75, -0.75, 1.5, -1.5)


def _matrices() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
  """Returns A, B and G for the points.

  A and G evaluate polynomials with four and three coefficients; B inverts the
  evaluation of their product.
  """
  points = np.array(_FINITE_POINTS)[:, None]

  def evaluate(coefficients: int) -> np.ndarray:
    infinity = np.eye(coefficients)[-1:]
    return np.concatenate([points ** np.arange(coefficients), infinity])

  b = np.linalg.inv(evaluate(POINTS))
  b[np.abs(b) < 1e-12] = 0  # remove rounding errors
  # A leading coefficient of 1 for each point's polynomial saves a product.
  scale = np.append(b[-2, :-1], b[-1, -1])
  return evaluate(TILE), b / scale, evaluate(TAPS) * scale[:, None]


A, B, G = _matrices()
