"""Every config is sound, and wrong settings are refused by name."""

import dataclasses
import importlib

import pytest

from tests import ROOT, small
from vaegan_jax.config import build, checks, schema
from vaegan_jax.data.sources import faces

CONFIGS = sorted(
  path.stem for path in (ROOT / 'experiments' / 'configs').glob('[a-z]*.py')
)


def load(name):
  """Loads what a config trains with; some ask for a whole reproduction."""
  module = importlib.import_module(f'experiments.configs.{name}')
  config = module.get_config()
  return config.training if 'training' in config else config


@pytest.mark.parametrize('name', CONFIGS)
def test_shipped_config_is_accepted(name):
  config = load(name)
  with config.unlocked():
    if config.data.source != 'faces':
      config.data.path = 'somewhere'
    if build.model(config).given:
      config.similarity = 'somewhere'
  checks.check(config)


def test_all_configs_have_the_settings_of_the_reference():
  names = {name: set(schema.flatten(load(name))) for name in CONFIGS}
  assert all(found == names['celeba'] for found in names.values())


@pytest.mark.parametrize('model', ['vae', 'vae_dis', 'gan'])
def test_the_papers_models_differ_in_nothing_but_the_model(model):
  ours, reference = (schema.flatten(load(n)) for n in (model, 'celeba'))
  assert {n for n in ours if ours[n] != reference[n]} == {'model'}


def test_the_reference_holds_what_the_commit_says():
  config = load('celeba')
  assert config.steps * config.batch_size == 150 * 250 * 64
  assert config.gamma == 1e-5
  assert config.optimizer.learning_rate == 0.02 / 64
  assert build.networks(config).decoder.shape == (64, 64, 3)
  assert build.equilibrium(config).centre == 0.68


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'steps': 0}, r'config\.steps = 0: expected .* at least 1'),
    ({'gamma': -1.0}, r'config\.gamma = -1'),
    ({'average_decay': 2.0}, 'at most 1'),
    ({'model': 'vaegam'}, 'did you mean vaegan'),
    ({'compile': 'pmpa'}, 'did you mean pmap'),
    ({'dtype': 'bfloat'}, 'did you mean bfloat16'),
    ({'steps_per_dispatch': 0}, r'steps_per_dispatch = 0'),
    ({'steps_per_dispatch': 2}, r'picture_every = 3: expected a multiple'),
    ({'steps_per_dispatch': 3}, r'save_every = 2: expected a multiple'),
    ({'optimizer__name': 'adamw'}, 'did you mean adam'),
    ({'optimizer__learning_rate': -1.0}, r'optimizer\.learning_rate = -1'),
    ({'optimizer__name': 'rmsprop'}, r'momentum = 0\.5: rmsprop has none'),
    ({'data__size': (60, 60)}, 'multiples of 8.*nearest is 64,64'),
    ({'data__size': (8, 8, 8)}, r'config\.data\.size'),
    ({'data__source': 'celebA'}, 'did you mean celeba'),
    ({'data__source': 'celeba'}, r"config\.data\.path = ''"),
    ({'data__source': 'tfds'}, 'tfds:NAME'),
    ({'data__channels': 1}, "'faces' has 3"),
    ({'discriminator__layer': 9}, 'layer = 9: there is no such layer'),
    ({'latent_size': 0}, r'config\.latent_size = 0'),
    ({'real_share': 1.0}, r'config\.real_share = 1\.0'),
    ({'model': 'vae_dis'}, r"config\.similarity = ''"),
    ({'similarity': 'runs/gan'}, 'takes no network from another run'),
  ],
)
def test_wrong_setting_is_refused_by_name(changes, message):
  with pytest.raises(ValueError, match=message):
    checks.check(small.config(**changes))


def test_delta_with_an_unknown_name_is_refused_with_the_nearest():
  with pytest.raises(ValueError, match=r'config\.gama.*did you mean gamma'):
    schema.change(load('celeba'), {'gama': 1.0})


def test_delta_of_another_type_is_refused():
  with pytest.raises(ValueError, match=r"config\.steps = 'many': .*like 37500"):
    schema.change(load('celeba'), {'steps': 'many'})


def test_one_number_means_a_square():
  assert build.size(small.config(data__size=(24,))) == (24, 24)
  assert build.size(small.config(data__size=(24, 16))) == (24, 16)


def resolved(names, **changes):
  config = small.config(conditional=names, **changes)
  return build.resolve(config, build.source(config))


def test_all_attributes_stand_by_name_in_a_resolved_config():
  config = resolved('all')
  assert build.conditional(config) == faces.ATTRIBUTES
  assert build.networks(config).attributes == len(faces.ATTRIBUTES)
  assert resolved('Male,Smiling').conditional == 'Male,Smiling'
  assert build.networks(resolved('')).attributes == 0


def test_an_attribute_that_the_data_lack_is_refused_with_the_nearest():
  with pytest.raises(ValueError, match=r"'Smilling'.*did you mean Smiling"):
    resolved('Male,Smilling')


def test_a_conditional_model_of_data_without_attributes_is_refused(tmp_path):
  config = small.config(conditional='all')
  unlabelled = dataclasses.replace(build.source(config))
  object.__setattr__(unlabelled, 'attribute_names', ())
  with pytest.raises(ValueError, match='has no attributes'):
    build.resolve(config, unlabelled)


def test_networks_are_not_built_of_attributes_without_names():
  with pytest.raises(ValueError, match='resolve the config'):
    build.networks(small.config(conditional='all'))


@pytest.mark.parametrize(
  ('model', 'reconstructions', 'weight'),
  [
    ('vaegan', True, 2.0),
    ('vaegan', False, 1.0),
    ('gan', True, 1.0),
    ('gan', False, 1.0),
    ('vae', True, 0.0),
  ],
)
def test_generated_images_share_what_real_ones_leave(
  model, reconstructions, weight
):
  # A share of a half: as much as all kinds of generated images together.
  config = small.config(
    model=model, real_share=0.5, reconstructions_judged=reconstructions
  )
  assert build.objective(config).real_weight == weight
