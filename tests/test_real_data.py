"""Trains on real images, where they lie beside the project (CI)."""

import pathlib

import numpy as np
import pytest

import vaegan_jax
from experiments.configs import demo
from vaegan_jax import settings, training
from vaegan_jax.data import cache

DATA = pathlib.Path(__file__).parents[2] / 'shared' / 'data'

pytestmark = [
  pytest.mark.slow,
  pytest.mark.shared,
  pytest.mark.skipif(not DATA.is_dir(), reason='no real data beside the clone'),
]


def distance(images, others):
  """Root mean square distance of pixels, in levels."""
  difference = images.astype(np.float32) - others.astype(np.float32)
  return np.sqrt(np.square(difference).mean())


def test_reconstructions_of_celeba_test_images_approach_them(tmp_path):
  config = settings.change(
    demo.get_config(),
    {
      'steps': 300,
      'data.source': 'celeba',
      'data.path': str(DATA / 'celeba'),
      'data.cache': str(tmp_path / 'cache'),
      'picture_every': 100,
    },
  )
  training.train(config, tmp_path / 'run')
  test = cache.load(
    settings.source(config), split='test', directory=tmp_path / 'cache'
  )
  images = np.asarray(test.images[:200])
  model = vaegan_jax.load(tmp_path / 'run')
  reconstructed = distance(images, model.reconstruct(images))
  # Another image's reconstruction, and the mean image: what a model that
  # ignores its input would reach.
  shuffled = distance(images, np.roll(model.reconstruct(images), 1, axis=0))
  mean = distance(images, images.mean(0, keepdims=True))
  print(f'rmse {reconstructed:.1f}, of others {shuffled:.1f}, mean {mean:.1f}')
  assert reconstructed < 0.8 * shuffled
  assert reconstructed < mean
