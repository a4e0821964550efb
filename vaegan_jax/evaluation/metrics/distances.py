"""Distances between a set of samples and a set of real images.

These distances decrease with the number of images. Compare a value with its
floor: the distance of as many held-out real images. All arithmetic on features
is float64.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float32

from vaegan_jax.evaluation import features
from vaegan_jax.evaluation.metrics import pyramids, quality

# The two sets may differ in length.
Features: TypeAlias = Float32[np.ndarray, '_images features']

_ROWS = 1024  # rows of a pairwise matrix at a time: bounds memory


class PRDC(NamedTuple):
  """Precision, recall, density and coverage of samples.

  Attributes:
    precision: the fraction of samples inside a ball of the reference, 0 to 1.
    recall: the fraction of the reference inside a ball of the samples, 0 to 1.
    density: the number of reference balls around a sample divided by the
      number of neighbours: about 1 for real images, more where samples crowd.
    coverage: the fraction of reference balls that hold a sample, 0 to 1.
  """

  precision: float
  recall: float
  density: float
  coverage: float


def compare_sets(
  samples: features.ImageSet, reference: features.ImageSet, *, seed: int = 0
) -> dict[str, float]:
  """Computes every distance between samples and real images.

  With held-out real images in place of the samples it returns the floor: the
  values of a perfect model at this number of images.

  Args:
    samples: images to compare.
    reference: real images, preferably as many.
    seed: determines positions and directions of the sliced distance.

  Returns:
    'sliced_wasserstein' (the mean over levels), 'high_frequency_ratio', how far
    it is above 1 ('high_frequency_excess'), 'frechet', 'kernel', 'precision',
    'recall', 'density' and 'coverage'.

  Raises:
    ValueError: one of the metrics raises it.
  """
  pixels = samples.pixels, reference.pixels
  rows = samples.features, reference.features
  ratio = quality.high_frequency_ratio(*pixels)
  return {
    'sliced_wasserstein': pyramids.sliced_wasserstein(*pixels, seed=seed).mean,
    'high_frequency_ratio': ratio,
    # Grids, grain and other patterns that real images lack; blur has none.
    'high_frequency_excess': max(ratio - 1, 0.0),
    'frechet': frechet(*rows),
    'kernel': kernel(*rows),
    **prdc(*rows)._asdict(),
  }


def frechet(features: Features, reference: Features) -> float:
  """Computes the Fréchet distance of two sets, taken as Gaussians.

  |m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)), in squared units of the
  features; with Inception's features it is the FID. Its bias falls as 1 / N.

  With centred data A and B, C1 = A'A and C2 = B'B, the trace of the root is
  the sum of the singular values of A B'. This needs no covariance and no
  matrix root, so it also holds for fewer images than features.

  Source: Heusel et al. (2017), equation 6; covariances over N - 1 as in their
  code.

  Raises:
    ValueError: a set has fewer than two images, or a NaN or infinity.
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
  Deviation: averages over all pairs, where their code averages over random
  subsets: the same expectation, less variance, and no seed.

  Raises:
    ValueError: a set has fewer than two images, or a NaN or infinity.
  """
  _check(features, reference)
  within = _mean_kernel(features) + _mean_kernel(reference)
  total = sum(_cubic(chunk, reference).sum() for _, chunk in _chunks(features))
  across = total / (len(features) * len(reference))
  return float(within - 2 * across)


def prdc(
  features: Features, reference: Features, *, neighbours: int = 5
) -> PRDC:
  """Computes fidelity and variety from balls that reach the k-th neighbour.

  Each point has a ball whose radius is the distance to its k-th nearest
  neighbour in the same set. Blur and lost modes lower recall and coverage;
  samples unlike any real image lower precision and density.

  Args:
    features: features of the samples.
    reference: features of real images.
    neighbours: k; 5 in the second source, 3 in the first.

  Source: Kynkäänniemi et al. (2019), equations 1 and 2, for precision and
  recall; Naeem et al. (2020), equations 3 and 4, for density and coverage.

  Raises:
    ValueError: a set has no more than k images or a NaN or infinity, or k is
      below 1.
  """
  _check(features, reference)
  fewest = min(len(features), len(reference))
  if not 1 <= neighbours < fewest:
    raise ValueError(
      f'neighbours = {neighbours} of {fewest} images: expected at least 1, and '
      'more images than neighbours'
    )
  radii = _radii(features, neighbours)
  reference_radii = _radii(reference, neighbours)
  balls = 0  # pairs of a sample and a reference ball around it
  precise = 0
  recalled = np.zeros(len(reference), bool)
  covered = np.zeros(len(reference), bool)
  for start, chunk in _chunks(features):
    squared = _squared_distances(chunk, reference)
    inside = squared <= reference_radii
    balls += inside.sum()
    precise += inside.any(axis=1).sum()
    covered |= inside.any(axis=0)
    own = radii[start : start + len(chunk), None]
    recalled |= (squared <= own).any(axis=0)
  return PRDC(
    precision=float(precise / len(features)),
    recall=float(recalled.mean()),
    density=float(balls / (neighbours * len(features))),
    coverage=float(covered.mean()),
  )


def _check(features: np.ndarray, reference: np.ndarray) -> None:
  for name, values in (('features', features), ('reference', reference)):
    if len(values) < 2:
      raise ValueError(f'{name} of {len(values)} images: expected at least 2')
    if not np.isfinite(values).all():
      raise ValueError(
        f'{name} hold a NaN or infinity: check the images and the weights of '
        'the network'
      )


def _moments(features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Computes the mean, and R such that R'R is the covariance."""
  values = features.astype(np.float64)
  mean = values.mean(axis=0)
  root = np.linalg.qr(values - mean, mode='r')
  return mean, root / np.sqrt(len(values) - 1)


def _chunks(values: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
  """Yields the rows in chunks, each with the index of its first row."""
  for start in range(0, len(values), _ROWS):
    yield start, values[start : start + _ROWS]


def _cubic(a: np.ndarray, b: np.ndarray) -> np.ndarray:
  products = a.astype(np.float64) @ b.astype(np.float64).T
  scaled = products / a.shape[1] + 1
  return scaled * scaled * scaled  # `**` on floats is many times slower


def _mean_kernel(features: np.ndarray) -> float:
  """Averages the kernel over all pairs of two different images."""
  n, total = len(features), 0.0
  for start, chunk in _chunks(features):
    values = _cubic(chunk, features)
    total += values.sum() - np.trace(values, offset=start)
  return total / (n * (n - 1))


def _squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
  a, b = a.astype(np.float64), b.astype(np.float64)
  lengths = np.square(a).sum(axis=1)[:, None] + np.square(b).sum(axis=1)
  return np.maximum(lengths - 2 * (a @ b.T), 0)


def _radii(features: np.ndarray, neighbours: int) -> np.ndarray:
  """Computes each point's squared distance to its k-th neighbour."""
  radii = []
  for start, chunk in _chunks(features):
    squared = _squared_distances(chunk, features)
    rows = np.arange(len(chunk))
    squared[rows, start + rows] = np.inf  # a point is not its own neighbour
    nearest = np.partition(squared, neighbours - 1, axis=1)
    radii.append(nearest[:, neighbours - 1])
  return np.concatenate(radii)
