"""A normal distribution of codes, fitted to those of training images."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64


class Gaussian(NamedTuple):
  """A normal distribution of codes, to sample from in place of N(0, I)."""

  mean: Float64[np.ndarray, ' latent']
  covariance: Float64[np.ndarray, 'latent latent']

  def transform(
    self, normal: Float32[np.ndarray, 'batch latent']
  ) -> Float32[np.ndarray, 'batch latent']:
    """Turns standard normal draws into draws of this distribution."""
    root = np.linalg.cholesky(self.covariance)
    return (self.mean + normal @ root.T).astype(np.float32)


def fit(
  mean: Float32[np.ndarray, 'batch latent'],
  log_var: Float32[np.ndarray, 'batch latent'],
) -> Gaussian:
  """Returns the mean and covariance of the aggregated posterior.

  The aggregated posterior is the mixture of q(z|x) over a batch of images.

  Args:
    mean: of q(z|x), for each image.
    log_var: its log variance.
  """
  means, variances = mean.astype(np.float64), np.exp(log_var.astype(np.float64))
  covariance = np.cov(means, rowvar=False, bias=True).reshape(
    means.shape[1], -1
  )
  return Gaussian(
    means.mean(axis=0), covariance + np.diag(variances.mean(axis=0))
  )
