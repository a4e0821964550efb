"""Wrong configs are refused before anything is compiled."""

import jax
import numpy as np
import pytest
from PIL import Image

from tests import small
from vaegan_jax.config import build, checks, schema
from vaegan_jax.data.sources import faces
from vaegan_jax.training import setup

NAN, INFINITE = float('nan'), float('inf')


def names(kind):
  return [n for n, s in schema.SETTINGS.items() if s.kind is kind]


def check(changes):
  """Checks a config with settings changed; two underscores mean a dot."""
  named = {name.replace('__', '.'): value for name, value in changes.items()}
  flat = schema.flatten(small.config()) | named
  schema.check(flat)
  checks.check(schema.make(flat))


def assert_refused(name, value, message):
  with pytest.raises(ValueError, match=rf'config\.{name} = .*: {message}'):
    check({name: value})


@pytest.mark.parametrize('value', [NAN, INFINITE, -INFINITE, -1.0, True, '1'])
@pytest.mark.parametrize('name', names(float))
def test_numbers_are_finite_and_not_negative(name, value):
  assert_refused(name, value, 'expected a finite number, ')


@pytest.mark.parametrize('value', [-1, 0.5, 2.0, True, '1', None])
@pytest.mark.parametrize('name', names(int))
def test_whole_numbers_are_whole_and_not_negative(name, value):
  assert_refused(name, value, 'expected a whole number, ')


@pytest.mark.parametrize('value', [0, 1, 'true', None])
@pytest.mark.parametrize('name', names(bool))
def test_flags_are_true_or_false(name, value):
  assert_refused(name, value, 'expected True or False')


@pytest.mark.parametrize(
  'value', [(), (0, 4), (4, -1), (4, 1.5), (4, NAN), ('4',), (True,), 4, '44']
)
@pytest.mark.parametrize('name', names(tuple))
def test_channels_and_sizes_are_positive_whole_numbers(name, value):
  assert_refused(name, value, 'expected .*, as in 64,')


@pytest.mark.parametrize('name', names(str))
def test_strings_are_required_where_expected(name):
  assert_refused(name, 3, 'expected')


@pytest.mark.parametrize(
  'name', [n for n, s in schema.SETTINGS.items() if s.positive]
)
def test_some_numbers_must_not_be_zero(name):
  assert_refused(name, 0.0, 'expected .* more than 0')


# Changes of a valid config, and the words of the message.
WRONG = [
  ({'gama': 1.0}, r'config\.gama does not exist; did you mean gamma'),
  ({'optimizer__nme': 'x'}, r'nme does not .* mean optimizer\.name'),
  ({'optimizer__decay': 1.0}, r'decay = 1\.0: .* at most 0\.999999'),
  ({'optimizer__momentum': 1.0}, r'momentum = 1\.0: .* at most 0\.999999'),
  ({'optimizer__epoch': 0}, r'config\.optimizer\.epoch = 0'),
  ({'discriminator__layer': 9}, 'layer = 9: there is no such layer'),
  ({'discriminator__layer': 4}, r'layer = 4: .* 0 .* to 1 '),
  ({'data__size': (60, 64)},
    r'config\.data\.size = \(60, 64\).*multiples of 8.*is 64,64'),
  ({'data__size': (64, 100)}, 'nearest is 64,96'),
  ({'data__size': (3, 3)}, 'nearest is 8,8'),
  ({'data__size': (8, 8)}, "'faces' have sides of at least 16 pixels"),
  ({'data__size': (0, 8)}, r'config\.data\.size'),
  ({'data__size': (8.0, 8)}, r'config\.data\.size'),
  ({'data__size': (8, 8, 8)}, r'config\.data\.size'),
  ({'data__size': 'large'}, r'config\.data\.size'),
  ({'data__size': (16,), 'encoder__channels': (4,) * 5}, 'multiples of 32'),
  ({'data__size': (12,), 'encoder__channels': (4,),
    'decoder__channels': (4, 4), 'discriminator__channels': (4, 4),
    'discriminator__layer': 1}, 'multiples of 8'),
  ({'steps': 0}, r'config\.steps = 0: expected .* at least 1'),
  ({'latent_size': 0}, r'config\.latent_size = 0'),
  ({'average_decay': 1.0}, 'at most 0.999999'),
  ({'real_share': 1.0}, r'config\.real_share = 1\.0'),
  ({'model': 'VAE/GAN'}, r"model = 'VAE/GAN': .* did you mean vaegan"),
  ({'compile': 'pmpa'}, 'did you mean pmap'),
  ({'dtype': 'bfloat'}, 'did you mean bfloat16'),
  ({'steps_per_dispatch': 0}, r'steps_per_dispatch = 0'),
  ({'steps_per_dispatch': 2}, r'picture_every = 3: expected a multiple'),
  ({'steps_per_dispatch': 3}, r'save_every = 2: expected a multiple'),
  ({'optimizer__name': 'adamw'}, 'did you mean adam'),
  ({'optimizer__name': 'rmsprop'}, r'momentum = 0\.5: rmsprop has none'),
  ({'data__source': 'celebA'}, 'did you mean celeba'),
  ({'data__source': 'celeba'}, r"config\.data\.path = ''"),
  ({'data__source': 'tfds'}, 'tfds:NAME'),
  ({'data__channels': 1}, "'faces' has 3"),
  ({'data__labels': 'folders'}, "'faces' has its own: set 'table'"),
  ({'model': 'vae_dis'}, r"config\.similarity = ''"),
  ({'similarity': 'runs/gan'}, 'takes no network from another run'),
]  # fmt: skip


@pytest.mark.parametrize(('changes', 'message'), WRONG)
def test_it_is_refused_by_name(changes, message):
  with pytest.raises(ValueError, match=message):
    check(changes)


def test_a_config_without_a_setting_is_refused():
  lacking = schema.flatten(small.config())
  del lacking['data.flips']
  with pytest.raises(ValueError, match=r'config\.data\.flips is missing'):
    schema.check(lacking)


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'data.path': 'pictures'}, "'pictures': the images of 'faces' are drawn"),
    ({'data.source': 'folder'}, r"config\.data\.path = ''"),
    ({'data.source': 'tfds:', 'data.path': 'x'}, r'tfds:NAME'),
    ({'conditional': 'Male,Male'}, 'is repeated'),
    ({'conditional': 'Male,Smilling'}, r"'Smilling'.*did you mean Smiling"),
    ({'conditional': 'all,Male'}, "names 'all'"),
  ],
)
def test_settings_that_do_not_fit_the_data_are_refused(changes, message):
  config = schema.change(small.config(), changes)
  with pytest.raises(ValueError, match=message):
    prepared(config)


def prepared(config):
  """Returns the attributes of a config, checked as at the start of a run."""
  checks.check(config)
  return build.conditional(build.resolve(config, build.source(config)))


@pytest.mark.parametrize(
  'name', [n for n, s in schema.SETTINGS.items() if s.path]
)
def test_the_address_of_a_remote_store_is_refused(name):
  assert_refused(name, 'gs://bucket/x', 'gs:/ is not a path of this machine')


def test_paths_become_absolute(tmp_path, monkeypatch):
  monkeypatch.setenv('HOME', '/home/ada')
  monkeypatch.chdir(tmp_path)
  config = small.config('~/cache', data__path='images')
  resolved = schema.with_absolute_paths(config)
  assert resolved.data.cache == '/home/ada/cache'
  assert resolved.data.path == str(tmp_path / 'images')
  assert resolved.similarity == ''
  assert schema.with_absolute_paths(resolved) == resolved


@pytest.mark.parametrize('source', ['celeba', 'lfw', 'folder', 'tfds:cats'])
def test_a_missing_path_is_refused(source, tmp_path):
  where = str(tmp_path / 'nowhere')
  config = small.config(data__source=source, data__path=where)
  with pytest.raises(ValueError, match=r'config\.data\.path = .* not exist'):
    build.source(config)


def test_a_conditional_model_of_unlabelled_data_is_refused(tmp_path):
  (tmp_path / 'train').mkdir()
  Image.new('RGB', (8, 8)).save(tmp_path / 'train' / '1.png')
  config = small.config(
    data__source='folder', data__path=str(tmp_path), conditional='all'
  )
  with pytest.raises(ValueError, match='has no attributes here'):
    build.resolve(config, build.source(config))


def test_a_batch_that_devices_cannot_share_equally_is_refused():
  devices = list(np.repeat(jax.devices(), 3))
  with pytest.raises(ValueError, match=r'batch of 8 .* 3 devices: make config'):
    setup.prepare(small.config(batch_size=8), devices=devices)


@pytest.mark.parametrize('name', ['workdir', 'cache'])
def test_a_file_in_place_of_a_folder_is_refused(tmp_path, name):
  (tmp_path / 'file').touch()
  for path in (tmp_path / 'file', tmp_path / 'file' / 'below' / 'it'):
    places = {'workdir': tmp_path / 'run', 'cache': ''}
    places[name] = path
    workdir = places.pop('workdir')
    with pytest.raises(ValueError, match=f'{name} = {path}: '):
      checks.check_folders(small.config(str(places['cache'])), workdir=workdir)
  checks.check_folders(small.config('new/folder'), workdir=tmp_path / 'new')


def test_a_run_among_the_images_is_refused(tmp_path):
  config = small.config(data__source='folder', data__path=str(tmp_path))
  (tmp_path / 'link').symlink_to(tmp_path, target_is_directory=True)
  for workdir in (tmp_path, tmp_path / 'link'):
    with pytest.raises(ValueError, match=r'workdir = .* is config\.data\.path'):
      checks.check_folders(config, workdir=workdir)
  checks.check_folders(config, workdir=tmp_path / 'runs')


def test_the_limit_of_faces_is_the_number_that_can_be_drawn():
  assert schema.SETTINGS['data.faces'].most == faces.SPLIT_ROOM
