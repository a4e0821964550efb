"""The models that come with the package load anywhere and do what they say."""

import numpy as np
import pytest

import vaegan_jax
from experiments.configs import faces64
from tests import ROOT, devices
from vaegan_jax.config import schema
from vaegan_jax.data.sources import faces
from vaegan_jax.runs import config_file

FOLDER = ROOT / 'vaegan_jax' / 'pretrained' / 'faces64'


@pytest.fixture(scope='module')
def model():
  return vaegan_jax.pretrained('faces64')


def test_it_was_trained_with_its_config():
  trained = schema.flatten(config_file.read(FOLDER))
  # The second of two runs: the card names both.
  changes = {'steps': 3_200, 'seed': 1, 'optimizer.learning_rate': 7e-4}
  expected = schema.flatten(schema.change(faces64.get_config(), changes))
  assert {
    name
    for name, value in expected.items()
    if trained[name] != value and name not in config_file.RUNTIME_SETTINGS
  } == set()


def test_its_files_are_small_and_described():
  assert (FOLDER / 'model.safetensors').stat().st_size < 12e6
  card = (FOLDER / 'README.md').read_text()
  for word in ('with seed\n0', 'Fréchet distance', 'worst_samples.png'):
    assert word in card
  for line in card.splitlines():
    if line.startswith('!['):
      assert (FOLDER / line.split('](')[1].rstrip(')')).exists()


def test_it_loads_without_orbax():
  program = (
    'import sys, vaegan_jax; model = vaegan_jax.pretrained("faces64");'
    'print(model.sample(2).shape, "orbax" in sys.modules)'
  )
  assert devices.run(program) == '(2, 64, 64, 3) False\n'


def test_reconstructions_of_new_faces_are_those_of_their_originals(model):
  # Of another seed than its training, validation and test faces.
  source = faces.Faces((64, 64), seed=77, test=64)
  images = source.read('test', 0, 64)
  made = model.reconstruct(images).astype(float)

  def error(originals):
    return np.sqrt(np.square(made - originals).mean((1, 2, 3)))

  assert (error(images) < error(np.roll(images, 1, axis=0))).mean() > 0.95
  assert error(images).mean() < 35


def test_its_vectors_give_faces_their_attribute(model):
  # Blond hair is brighter than black.
  source = faces.Faces((64, 64), seed=78, test=40)
  images = source.read('test', 0, 40)
  dark, light = (
    model.edit(images, {name: 2.0}).astype(float)
    for name in ('Black_Hair', 'Blond_Hair')
  )
  top = np.s_[:, 8:20, 20:44]
  assert (
    light[top].mean((1, 2, 3)) > dark[top].mean((1, 2, 3)) + 10
  ).mean() > 0.9


def test_the_fitted_prior_is_near_that_of_the_codes(model):
  # Dec was trained on N(0, I) and on codes; neither is far from the other.
  scale = np.sqrt(np.diag(model.fitted_prior.covariance))
  assert 0.3 < scale.min() < scale.max() < 3


def test_the_readmes_example_runs():
  readme = (ROOT / 'README.md').read_text()
  names = {}
  exec(readme.split('```python\n')[1].split('```')[0], names)
  assert names['again'].shape == names['smiling'].shape == (8, 64, 64, 3)
