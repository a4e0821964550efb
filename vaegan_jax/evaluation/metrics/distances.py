"""How far samples are from real images, as sets: no sample has an original.

Distances between sets fall as the sets grow, so a number alone says little:
compute it for as many real images that were held out, and print this floor
beside it. All arithmetic on features is float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32

from vaegan_jax.evaluation.metrics import pyramids, quality

# The two sets may differ in length.
Features = Float32[np.ndarray, '_images features']

_ROWS = 1024  # of a matrix of pairs at a time: bounds memory


class Manifold(NamedTuple):
  """How two sets cover each other, by balls around points.

  Attributes:
    precision: the part of samples within a ball of the reference, 0 to 1.
    recall: the part of the reference within a ball of the samples, 0 to 1.
    density: balls of the reference that a sample lies in, over their number
      of neighbours: about 1 for real images, more where samples crowd.
    coverage: the part of the reference's balls with a sample in, 0 to 1.
  """

  precision: float
  recall: float
  density: float
  coverage: float


def samples(
  pixels: quality.Pixels,
  reference: quality.Pixels,
  *,
  features: quality.Extract,
  seed: int = 0,
) -> dict[str, float]:
  """Measures samples against real images by every distance there is.

  Called with held-out real images in the place of the samples it gives the
  floor: the values of a perfect model at this number of images.

  Args:
    pixels: of the samples.
    reference: real images, preferably as many.
    features: an oracle's, Inception's, or `random_network.features`.
    seed: of the places and directions of the sliced distance.

  Returns:
    'sliced_wasserstein' (the mean over levels), 'high_frequency_ratio',
    'frechet', 'kernel', 'precision', 'recall', 'density' and 'coverage'.

  Raises:
    ValueError: as the functions of these names.
  """
  ours, theirs = features(pixels), features(reference)
  sliced = pyramids.sliced_wasserstein(pixels, reference, seed=seed)
  return {
    'sliced_wasserstein': sliced.mean,
    'high_frequency_ratio': quality.high_frequency_ratio(pixels, reference),
    'frechet': frechet(ours, theirs),
    'kernel': kernel(ours, theirs),
    **manifold(ours, theirs)._asdict(),
  }


def frechet(features: Features, reference: Features) -> float:
  """Computes the Fréchet distance of two sets, seen as Gaussians.

  |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), in squared units of the
  features; with Inception's features it is the FID. Its bias falls as 1 / N.

  With centred data A and B, C1 = A'A and C2 = B'B, the trace of the root is
  the sum of the singular values of A B'. No covariance is formed, nor rooted:
  singular ones, as of fewer images than features, are a case like any other.

  Source: Heusel et al. (2017), equation 6; covariances over N - 1 as in their
  code.

  Raises:
    ValueError: fewer than two images in a set, or values that are not finite.
  """
  _check(features, reference)
  (mean, root), (other_mean, other_root) = map(_moments, (features, reference))
  cross = np.linalg.svd(root @ other_root.T, compute_uv=False).sum()
  spread = np.square(root).sum() + np.square(other_root).sum() - 2 * cross
  # Equal sets leave a rounding error of either sign.
  return float(np.square(mean - other_mean).sum() + max(spread, 0.0))


def kernel(features: Features, reference: Features) -> float:
  """Computes the squared kernel distance (unbiased MMD^2) of two sets.

  The kernel is (x . y / dimensions + 1)^3; with Inception's features this is
  the KID. Equal distributions give 0 on average, so a value may be negative.

  Source: Bińkowski et al. (2018), section 4.
  Deviation: over all pairs, of which their code averages random subsets: the
  same expectation, less variance, and no seed.

  Raises:
    ValueError: fewer than two images in a set, or values that are not finite.
  """
  _check(features, reference)
  within = _mean_kernel(features) + _mean_kernel(reference)
  total = sum(_cubic(part, reference).sum() for _, part in _parts(features))
  across = total / (len(features) * len(reference))
  return float(within - 2 * across)


def manifold(
  features: Features, reference: Features, *, neighbours: int = 5
) -> Manifold:
  """Measures fidelity and variety by balls that reach to the k-th neighbour.

  Around each point of a set lies a ball whose radius is the distance to its
  k-th nearest neighbour in the same set. Recall and coverage see blur and lost
  modes; precision and density see what no real image resembles.

  Args:
    features: of the samples.
    reference: of real images.
    neighbours: k; 5 in the second source, 3 in the first.

  Source: Kynkäänniemi et al. (2019), equations 1 and 2, for precision and
  recall; Naeem et al. (2020), equations 3 and 4, for density and coverage.

  Raises:
    ValueError: a set of no more than k images, k below 1, or values that are
      not finite.
  """
  _check(features, reference)
  fewest = min(len(features), len(reference))
  if not 1 <= neighbours < fewest:
    raise ValueError(
      f'neighbours = {neighbours} of {fewest} images: give at least 1 and '
      'more images than neighbours'
    )
  radii = _radii(features, neighbours)
  reference_radii = _radii(reference, neighbours)
  balls = 0  # of the reference, that samples lie in
  precise = 0
  recalled = np.zeros(len(reference), bool)
  covered = np.zeros(len(reference), bool)
  for start, part in _parts(features):
    squared = _squared_distances(part, reference)
    inside = squared <= reference_radii
    balls += inside.sum()
    precise += inside.any(axis=1).sum()
    covered |= inside.any(axis=0)
    own = radii[start : start + len(part), None]
    recalled |= (squared <= own).any(axis=0)
  return Manifold(
    precision=float(precise / len(features)),
    recall=float(recalled.mean()),
    density=float(balls / (neighbours * len(features))),
    coverage=float(covered.mean()),
  )


def _check(features: np.ndarray, reference: np.ndarray) -> None:
  for name, values in (('features', features), ('reference', reference)):
    if len(values) < 2:
      raise ValueError(
        f'{name} of {len(values)} images: a set of at least 2 has a spread'
      )
    if not np.isfinite(values).all():
      raise ValueError(
        f'{name} hold values that are not finite: look for images or weights '
        'that are not'
      )


def _moments(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Computes the mean, and R such that R'R is the covariance."""
  values = features.astype(np.float64)
  mean = values.mean(axis=0)
  root = np.linalg.qr(values - mean, mode='r')
  return mean, root / np.sqrt(len(values) - 1)


def _parts(values: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
  """Gives rows in parts, each with the number of its first."""
  for start in range(0, len(values), _ROWS):
    yield start, values[start : start + _ROWS]


def _cubic(a: np.ndarray, b: np.ndarray) -> np.ndarray:
  products = a.astype(np.float64) @ b.astype(np.float64).T
  scaled = products / a.shape[1] + 1
  return scaled * scaled * scaled  # a power of floats is many times slower


def _mean_kernel(features: np.ndarray) -> float:
  """Averages the kernel over all pairs of two different images."""
  n = len(features)
  total = 0.0
  for start, part in _parts(features):
    values = _cubic(part, features)
    total += values.sum() - np.trace(values, offset=start)
  return total / (n * (n - 1))


def _squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
  a, b = a.astype(np.float64), b.astype(np.float64)
  lengths = np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1)
  return np.maximum(lengths - 2 * (a @ b.T), 0)


def _radii(features: np.ndarray, neighbours: int) -> np.ndarray:
  """Computes each point's squared distance to its k-th neighbour."""
  radii = []
  for start, part in _parts(features):
    squared = _squared_distances(part, features)
    rows = np.arange(len(part))
    squared[rows, start + rows] = np.inf  # nobody neighbours itself
    nearest = np.partition(squared, neighbours - 1, axis=1)
    radii.append(nearest[:, neighbours - 1])
  return np.concatenate(radii)
