"""Every shipped config is valid and builds the networks of the paper."""

import importlib
import types

import pytest
from PIL import Image

from tests import ROOT, small
from vaegan_jax.config import build, checks, schema
from vaegan_jax.data.sources import faces

CONFIGS = sorted(
  path.stem for path in (ROOT / 'experiments' / 'configs').glob('[a-z]*.py')
)


def load(name):
  """Returns the training config of a file, which may be a reproduction."""
  module = importlib.import_module(f'experiments.configs.{name}')
  config = module.get_config()
  return config.training if 'training' in config else config


@pytest.mark.parametrize('name', CONFIGS)
def test_a_shipped_config_is_accepted(name):
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
def test_the_papers_models_differ_only_in_the_model(model):
  ours, reference = (schema.flatten(load(n)) for n in (model, 'celeba'))
  assert {n for n in ours if ours[n] != reference[n]} == {'model'}


def test_the_reference_has_the_numbers_of_the_authors_code():
  config = load('celeba')
  assert config.steps * config.batch_size == 150 * 250 * 64
  assert config.gamma == 1e-5
  assert config.optimizer.learning_rate == 0.02 / 64
  assert build.networks(config).decoder.shape == (64, 64, 3)
  assert build.equilibrium(config).centre == 0.68


def test_lfw_has_the_settings_of_the_same_commit_as_the_reference():
  ours, reference = (schema.flatten(load(n)) for n in ('lfw', 'celeba'))
  differ = {name for name in ours if ours[name] != reference[name]}
  assert differ == {'conditional', 'data.source'}


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'gama': 1.0}, r'config\.gama.*did you mean gamma'),
    ({'steps': 'many'}, r"config\.steps = 'many': .*like 37500"),
  ],
)
def test_a_wrong_change_is_refused_by_name(changes, message):
  with pytest.raises(ValueError, match=message):
    schema.change(load('celeba'), changes)


def test_one_number_is_the_side_of_a_square():
  assert build.size(small.config(data__size=(24,))) == (24, 24)
  assert build.size(small.config(data__size=(24, 16))) == (24, 16)


def resolved(names, **changes):
  config = small.config(conditional=names, **changes)
  return build.resolve(config, build.source(config))


def test_a_resolved_config_names_all_attributes():
  config = resolved('all')
  assert build.conditional(config) == faces.ATTRIBUTES
  assert build.networks(config).attributes == len(faces.ATTRIBUTES)
  assert resolved('Male,Smiling').conditional == 'Male,Smiling'
  assert build.networks(resolved('')).attributes == 0


@pytest.mark.usefixtures('unchecked')  # the stand-in is no Source
def test_a_name_that_holds_a_comma_is_one_attribute():
  names = ('Hair, black', '6" heels', 'Male')
  source = types.SimpleNamespace(attribute_names=names, name='folder')
  config = build.resolve(small.config(conditional='all'), source)
  assert build.conditional(config) == names
  config = build.resolve(
    small.config(conditional='Male, "Hair, black"'), source
  )
  assert build.conditional(config) == ('Male', 'Hair, black')


def test_networks_need_a_resolved_config():
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
def test_generated_images_share_the_rest_of_the_adversarial_loss(
  model, reconstructions, weight
):
  # With a share of a half, real images weigh as much as all generated ones.
  config = small.config(
    model=model, real_share=0.5, reconstructions_judged=reconstructions
  )
  assert build.objective(config).real_weight == weight


def test_a_new_number_rebuilds_the_cache_beside_the_old_one(tmp_path):
  first, second, again, third = (
    build.cache_directory(small.config(tmp_path, data__rebuild=number))
    for number in (0, 1, 1, 2)
  )
  assert first == tmp_path
  assert second == again != third
  assert second.parent == third.parent == tmp_path


def test_a_model_may_be_conditional_on_the_folders_of_its_images(tmp_path):
  for name in ('train/cat', 'train/dog', 'test/cat'):
    (tmp_path / name).mkdir(parents=True)
    Image.new('RGB', (16, 16)).save(tmp_path / name / '0.png')
  config = small.config(
    data__source='folder',
    data__path=str(tmp_path),
    data__labels='folders',
    conditional='all',
  )
  checks.check(config)
  resolved = build.resolve(config, build.source(config))
  assert build.conditional(resolved) == ('cat', 'dog')


@pytest.mark.parametrize('source', build.ON_DISK)
def test_a_source_without_its_folder_is_refused_with_the_flag(source):
  # An exported model has no path; '' would mean the folder of the shell.
  config = schema.change(load('celeba'), {'data.source': source})
  with pytest.raises(ValueError, match=r'path is empty: .*--data_path=PATH'):
    build.source(config)
