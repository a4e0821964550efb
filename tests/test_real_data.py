"""Trains on real images, which must lie beside the project."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import vaegan_jax
from tests import ROOT, SHARED
from vaegan_jax.config import build
from vaegan_jax.data import cache
from vaegan_jax.runs import config_file

pytestmark = [
  pytest.mark.slow,
  pytest.mark.shared,
  pytest.mark.skipif(
    not SHARED.is_dir(), reason='no real data beside the clone'
  ),
]


def distance(images, others):
  """Returns the root mean square difference of pixels, in levels."""
  difference = images.astype(np.float32) - others.astype(np.float32)
  return np.sqrt(np.square(difference).mean())


def launch(launcher, workdir, *flags):
  """Runs a launcher with XLA's optimiser, which tests switch off."""
  environment = dict(os.environ)
  environment.pop('XLA_FLAGS')
  command = [sys.executable, '-m', f'experiments.{launcher}']
  command += [f'--workdir={workdir}', *flags]
  subprocess.run(command, check=True, cwd=ROOT, env=environment)


def test_reconstructions_of_celeba_test_images_resemble_them(tmp_path):
  where = tmp_path / 'cache'
  launch(
    'train',
    tmp_path / 'run',
    '--config=experiments/configs/demo.py',
    '--config.steps=150',
    '--config.batch_size=64',
    '--config.data.size=32,32',
    '--config.discriminator.layer=2',
    '--config.data.source=celeba',
    f'--config.data.path={SHARED / "celeba"}',
    f'--config.data.cache={where}',
  )
  source = build.source(config_file.read(tmp_path / 'run'))
  test = cache.load(source, split='test', directory=where)
  images = np.asarray(test.images[:200])
  model = vaegan_jax.load(tmp_path / 'run')
  made = model.reconstruct(images)
  reconstructed = distance(images, made)
  # A model that ignores its input is as far from the others. The distance of
  # the blurred mean image, 63, is no bound: after so few steps, sharp images
  # are 48 to 66 away, depending on the seed and on rounding.
  shuffled = distance(images, np.roll(made, 1, axis=0))
  print(f'rmse {reconstructed:.1f}, of others {shuffled:.1f}')
  assert reconstructed < 0.75 * shuffled


def reproduce(source, workdir, *flags):
  """Compares all models after a few steps on real data."""
  launch(
    'reproduce',
    workdir,
    '--config=experiments/configs/reproduce_faces.py',
    f'--config.training.data.source={source}',
    f'--config.training.data.path={SHARED / source}',
    f'--config.training.data.cache={workdir / "cache"}',
    '--config.training.steps=20',
    '--config.seeds=1',
    '--config.images=200',
    '--config.runs=2',
    *flags,
  )
  claims = json.loads((workdir / 'claims.json').read_text())
  measured = {claim['statement']: len(claim['values']) for claim in claims}
  print((workdir / 'table.md').read_text())
  return measured


def test_all_models_are_compared_on_celeba(tmp_path):
  measured = reproduce('celeba', tmp_path, '--config.oracle_steps=150')
  assert set(measured.values()) == {1}
  for name in ('figure3', 'figure4', 'figure5', 'figure6'):
    assert (tmp_path / f'{name}.png').exists(), name


def test_all_models_are_compared_on_lfw(tmp_path):
  # Only some of the images and scores are present.
  measured = reproduce(
    'lfw',
    tmp_path,
    '--config.oracle_steps=150',
    '--config.training.data.skip_broken=True',
  )
  # No attribute has positive scores, so no attribute vector is measured.
  unmeasured = [claim for claim, values in measured.items() if not values]
  assert unmeasured
  assert all(claim.startswith('Visual attribute') for claim in unmeasured)
  assert (tmp_path / 'figure6.png').exists()
