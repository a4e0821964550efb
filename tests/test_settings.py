"""Every config is sound, and wrong settings are refused by name."""

import importlib
import pathlib

import pytest

from tests import small
from vaegan_jax import records, settings

CONFIGS = sorted(
  path.stem
  for path in (
    pathlib.Path(__file__).parents[1] / 'experiments' / 'configs'
  ).glob('[a-z]*.py')
)


def load(name):
  return importlib.import_module(f'experiments.configs.{name}').get_config()


@pytest.mark.parametrize('name', CONFIGS)
def test_shipped_config_is_accepted(name):
  config = load(name)
  with config.unlocked():
    config.data.path = 'somewhere'
  settings.check(config)


def test_all_configs_have_the_settings_of_the_reference():
  names = {name: set(records.flatten(load(name))) for name in CONFIGS}
  assert all(found == names['celeba'] for found in names.values())


def test_the_reference_holds_what_the_commit_says():
  config = load('celeba')
  assert config.steps * config.batch_size == 150 * 250 * 64
  assert config.gamma == 1e-5
  assert config.optimizer.learning_rate == 0.02 / 64
  assert settings.networks(config).decoder.shape == (64, 64, 3)
  assert settings.equilibrium(config).centre == 0.68


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'steps': 0}, r'config\.steps = 0: expected at least 1'),
    ({'gamma': -1.0}, r'config\.gamma = -1'),
    ({'average_decay': 2.0}, 'at most 1'),
    ({'model': 'vaegam'}, 'did you mean vaegan'),
    ({'compile': 'pmpa'}, 'did you mean pmap'),
    ({'optimizer__name': 'adamw'}, 'did you mean adam'),
    ({'optimizer__learning_rate': -1.0}, 'start > 0'),
    ({'optimizer__name': 'rmsprop'}, r'momentum = 0\.5: rmsprop has none'),
    ({'data__size': (60, 60)}, 'multiples of 8'),
    ({'data__size': (8, 8, 8)}, r'config\.data\.size'),
    ({'data__source': 'celebA'}, 'did you mean celeba'),
    ({'data__source': 'celeba'}, r'config\.data\.path is empty'),
    ({'data__source': 'tfds'}, 'tfds:NAME'),
    ({'data__channels': 1}, "'faces' has 3"),
    ({'discriminator__layer': 9}, 'no layer 9'),
    ({'latent_size': 0}, r'config\.latent_size = 0'),
  ],
)
def test_wrong_setting_is_refused_by_name(changes, message):
  with pytest.raises(ValueError, match=message):
    settings.check(small.config(**changes))


def test_delta_with_an_unknown_name_is_refused_with_the_nearest():
  with pytest.raises(ValueError, match=r'config\.gama.*did you mean gamma'):
    settings.change(load('celeba'), {'gama': 1.0})


def test_delta_of_another_type_is_refused():
  with pytest.raises(TypeError):
    settings.change(load('celeba'), {'steps': 'many'})


def test_one_number_means_a_square():
  assert settings.size(small.config(data__size=(24,))) == (24, 24)
  assert settings.size(small.config(data__size=(24, 16))) == (24, 16)
