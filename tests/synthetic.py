"""Stand-ins without networks: each attribute lights one band of an image."""

import numpy as np

from vaegan_jax import inference
from vaegan_jax.data import cache
from vaegan_jax.evaluation.features import oracles

NAMES = ('top', 'upper', 'lower', 'bottom')


def paint(levels):
  """Paints images of 8x8 from the level of each band, 0..255."""
  levels = np.clip(np.round(levels), 0, 255).astype(np.uint8)
  bands = np.repeat(levels, 2, axis=1)[:, :, None, None]
  return np.tile(bands, (1, 1, 8, 3))


def bands(pixels):
  """Reads the level of each band."""
  return pixels.reshape(-1, 4, 2 * 8 * 3).mean(2)


def flags(length, seed=0):
  return np.random.default_rng(seed).random((length, 4)) < 0.5


def images(has, seed=0):
  """Paints images with some attributes and a little noise."""
  noise = np.random.default_rng(seed).normal(size=has.shape)
  return paint(80 + 100 * has + 6 * noise)


def dataset(length=200, *, seed=0, split='test'):
  has = flags(length, seed)
  return cache.Dataset(
    images(has, seed), has, NAMES, 'synthetic', split, digest=''
  )


class Seen(oracles.Oracle):
  """Predicts from levels: probabilities, or the levels as scores."""

  def __init__(self, *, binary=True):
    self.attribute_names = NAMES
    self.binary = binary

  def features(self, pixels):
    return bands(pixels).astype(np.float32)

  def predict(self, pixels):
    levels = self.features(pixels)
    return 1 / (1 + np.exp((130 - levels) / 10)) if self.binary else levels


class Model(inference.Model):
  """Codes are (levels - 128) / 100; some bands may be forgotten."""

  def __init__(self, *, forgets=()):
    self.forgets = forgets

  def encode(self, pixels, attributes=None):
    codes = (bands(pixels) - 128) / 100
    codes[:, list(self.forgets)] = -0.5
    return codes.astype(np.float32)

  def decode(self, codes, attributes=None):
    levels = 128 + 100 * codes
    levels[:, list(self.forgets)] = 80
    return paint(levels)
