"""Wrong configs and flags are refused before anything is compiled."""

import os
import pathlib
import resource
import subprocess
import sys

import jax
import numpy as np
import pytest
from PIL import Image

from experiments import overrides
from experiments.configs import celeba
from tests import small
from vaegan_jax import limits, preparation, records, settings
from vaegan_jax.data import faces

ROOT = pathlib.Path(__file__).parents[1]
NAN, INFINITE = float('nan'), float('inf')


def test_every_setting_has_limits():
  assert sorted(limits.NAMES) == sorted(records.flatten(celeba.get_config()))
  assert set(limits.POSITIVE) <= set(limits.RANGES)


def flat(**changes):
  named = {name.replace('__', '.'): value for name, value in changes.items()}
  return records.flatten(small.config()) | named


@pytest.mark.parametrize('value', [NAN, INFINITE, -INFINITE, -1.0, True, '1'])
@pytest.mark.parametrize('name', list(limits.RANGES))
def test_no_number_may_be_strange(name, value):
  with pytest.raises(ValueError, match=rf'config\.{name} = .*: expected'):
    limits.check(flat(**{name: value}))


@pytest.mark.parametrize('value', [-1, 0.5, 2.0, True, '1', None])
@pytest.mark.parametrize('name', list(limits.WHOLE))
def test_no_count_may_be_anything_else(name, value):
  with pytest.raises(ValueError, match=rf'config\.{name} = .*: expected'):
    limits.check(flat(**{name: value}))


@pytest.mark.parametrize('value', [0, 1, 'true', None])
@pytest.mark.parametrize('name', limits.FLAGS)
def test_flags_are_true_or_false(name, value):
  with pytest.raises(ValueError, match=rf'config\.{name} = .*True or False'):
    limits.check(flat(**{name: value}))


@pytest.mark.parametrize(
  'value', [(), (0, 4), (4, -1), (4, 1.5), (4, NAN), ('4',), (True,), 4, '44']
)
@pytest.mark.parametrize('name', limits.CHANNELS)
def test_channels_are_a_row_of_counts(name, value):
  with pytest.raises(ValueError, match=rf'config\.{name} = .*64,128,256'):
    limits.check(flat(**{name: value}))


@pytest.mark.parametrize('name', [*limits.TEXTS, *limits.CHOICES])
def test_texts_are_texts(name):
  with pytest.raises(ValueError, match=rf'config\.{name} = 3: expected'):
    limits.check(flat(**{name: 3}))


@pytest.mark.parametrize('name', limits.POSITIVE)
def test_some_numbers_must_not_be_zero(name):
  with pytest.raises(
    ValueError, match=rf'config\.{name} = 0.0: .* more than 0'
  ):
    limits.check(flat(**{name: 0.0}))


# What is wrong, and words of the message.
WRONG = [
  ({'gama': 1.0}, r'config\.gama does not exist; did you mean gamma'),
  ({'optimizer__nme': 'x'}, r'nme does not .* mean optimizer\.name'),
  ({'optimizer__decay': 1.0}, r'decay = 1\.0: .* at most 0\.999999'),
  ({'optimizer__momentum': 1.0}, r'momentum = 1\.0: .* at most 0\.999999'),
  ({'optimizer__epoch': 0}, r'config\.optimizer\.epoch = 0'),
  ({'discriminator__layer': 4}, r'layer = 4: .* from 0, .* to 1'),
  ({'data__size': (60, 64)}, r'config\.data\.size = \(60, 64\).*is 64,64'),
  ({'data__size': (64, 100)}, 'nearest is 64,96'),
  ({'data__size': (3, 3)}, 'nearest is 8,8'),
  ({'data__size': (0, 8)}, r'config\.data\.size'),
  ({'data__size': (8.0, 8)}, r'config\.data\.size'),
  ({'data__size': 'large'}, r'config\.data\.size'),
  ({'data__size': (16,), 'encoder__channels': (4,) * 5}, 'multiples of 32'),
  ({'data__size': (12,), 'encoder__channels': (4,),
    'decoder__channels': (4, 4), 'discriminator__channels': (4, 4),
    'discriminator__layer': 1}, 'multiples of 8'),
  ({'model': 'VAE/GAN'}, r"model = 'VAE/GAN': .* did you mean vaegan"),
]  # fmt: skip


@pytest.mark.parametrize(('changes', 'message'), WRONG)
def test_it_is_refused_by_name(changes, message):
  with pytest.raises(ValueError, match=message):
    limits.check(flat(**changes))


def test_a_config_without_a_setting_is_refused():
  lacking = flat()
  del lacking['data.flips']
  with pytest.raises(ValueError, match=r'config\.data\.flips is missing'):
    limits.check(lacking)


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'data.path': 'pictures'}, "'pictures': the images of 'faces' are drawn"),
    ({'data.source': 'folder'}, r'config\.data\.path is empty'),
    ({'data.source': 'tfds:', 'data.path': 'x'}, r'tfds:NAME'),
    ({'conditional': 'Male,Male'}, 'stands twice'),
    ({'conditional': 'Mail'}, 'did you mean Male'),
    ({'conditional': 'all,Male'}, "names 'all'"),
  ],
)
def test_data_that_do_not_fit_are_refused(changes, message):
  config = settings.change(small.config(), changes)
  with pytest.raises(ValueError, match=message):
    prepared(config)


def prepared(config):
  """Does what a run does with its config before it compiles or writes."""
  settings.check(config)
  return settings.conditional(settings.resolve(config, settings.source(config)))


@pytest.mark.parametrize('source', ['celeba', 'lfw', 'folder', 'tfds:cats'])
def test_a_path_that_leads_nowhere_is_refused(source, tmp_path):
  where = str(tmp_path / 'nowhere')
  config = small.config(data__source=source, data__path=where)
  with pytest.raises(ValueError, match=r'config\.data\.path = .* not exist'):
    settings.source(config)


def test_unlabelled_data_have_no_conditional_model(tmp_path):
  (tmp_path / 'train').mkdir()
  Image.new('RGB', (8, 8)).save(tmp_path / 'train' / '1.png')
  config = small.config(
    data__source='folder', data__path=str(tmp_path), conditional='all'
  )
  with pytest.raises(ValueError, match='has no attributes here'):
    settings.resolve(config, settings.source(config))


def test_a_batch_must_divide_among_the_devices():
  devices = list(np.repeat(jax.devices(), 3))
  with pytest.raises(ValueError, match=r'batch of 8 .* 3 devices: make config'):
    preparation.prepare(small.config(batch_size=8), devices=devices)


@pytest.mark.parametrize('name', ['workdir', 'cache', 'similarity'])
def test_a_file_in_place_of_a_folder_is_refused(tmp_path, name):
  (tmp_path / 'file').touch()
  for path in (tmp_path / 'file', tmp_path / 'file' / 'below' / 'it'):
    places = {'workdir': tmp_path / 'run', 'cache': '', 'similarity': ''}
    places[name] = path
    workdir = places.pop('workdir')
    config = flat(
      data__cache=str(places['cache']), similarity=str(places['similarity'])
    )
    with pytest.raises(ValueError, match=f'{name} = {path}: '):
      limits.check_places(config, workdir=workdir)
  limits.check_places(flat(data__cache='new/folder'), workdir=tmp_path / 'new')


def words(*overridden, config='demo'):
  return [f'--config=experiments/configs/{config}.py', *overridden]


FLAGS = [
  ('--config.gama=1', r'--config\.gama=1 does not .* mean --config\.gamma'),
  ('--config.learning_rate=1', r'mean --config\.optimizer\.learning_rate'),
  ('--config.optimizer.nme=adam', r'did you mean --config\.optimizer\.name'),
  ('--confg.gamma=1', r'--confg\.gamma=1 .* did you mean --config\.gamma'),
  ('--noconfig.data.flip', r'did you mean --config\.data\.flips'),
  ('--config.steps=many', r'steps=many: expected a whole number, as in .*=800'),
  ('--config.steps=1.5', r'steps=1\.5: expected a whole number'),
  ('--config.gamma=much', r'gamma=much: expected a number'),
  ('--config.data.flips=maybe', r'flips=maybe: expected true or false'),
  ('--config.data.size=a,b', r'size=a,b: .*size=32,32'),
  ('--config.encoder.channels=', r'channels=: expected whole numbers'),
  ('--config.data=3', r'--config\.data=3 is .* a section: .* data\.source'),
]  # fmt: skip


@pytest.mark.parametrize(('word', 'message'), FLAGS)
def test_a_wrong_flag_is_refused_with_the_nearest_right_one(word, message):
  with pytest.raises(ValueError, match=message):
    overrides.check(words(word))
  with pytest.raises(ValueError, match=message):
    overrides.check(words(*word.split('=')))


@pytest.mark.parametrize(
  'right',
  [
    ['--config.gamma=1e-6', '--config.data.size=64', '--config.steps=3'],
    ['--config.data.size=(64,64)', '--config.encoder.channels', '4,4,4,'],
    ['--config.gamma', '-1.5', '--config.data.flips', '--workdir=a.b'],
    ['--noconfig.data.flips', '--config.data.jitter=False', '--workdir', 'a'],
    ['--config.data.path=', '--', '--config.gama=1'],
  ],
)
def test_right_flags_are_let_through(right):
  overrides.check(words(*right))
  overrides.check(['--workdir=x', *right[:1]])


def test_settings_of_a_reproduction_lie_deeper():
  right = '--config.training.gamma=1'
  overrides.check(words(right, config='reproduce_faces'))
  with pytest.raises(ValueError, match=r'mean --config\.training\.gamma'):
    overrides.check(words('--config.gamma=1', config='reproduce_faces'))


@pytest.mark.parametrize('name', ['demmo', 'x'])
def test_a_config_that_does_not_exist_is_refused_with_those_that_do(name):
  with pytest.raises(ValueError, match=r'There are: celeba, .*, vae_dis') as e:
    overrides.check(words(config=name))
  assert ('did you mean experiments/configs/demo.py?' in str(e.value)) == (
    name == 'demmo'
  )


def test_another_file_is_no_config(tmp_path):
  (tmp_path / 'a.py').write_text('x = 1')
  (tmp_path / 'a.txt').write_text('x = 1')
  for name, what in (('a.py', 'get_config'), ('a.txt', 'file of Python')):
    with pytest.raises(ValueError, match=what):
      overrides.check([f'--config={tmp_path / name}'])


def test_as_many_faces_are_allowed_as_can_be_drawn():
  assert limits.WHOLE['data.faces'][1] == faces.SPLIT_ROOM


# Of the real launcher, with the demo where no other config is named.
LAUNCHED = [
  *(word for word, _ in FLAGS),
  '--config.batch_size=1',
  '--config.batch_size=9',  # on two devices
  '--config.gamma=nan',
  '--config.optimizer.learning_rate=inf',
  '--config.optimizer.decay=1',
  '--config.data.size=60',
  '--config.discriminator.layer=7',
  '--config.conditional=Mail',
  '--config.model=vaegam',
  '--config.model=vae_dis',
  '--config.similarity=nowhere',
  '--config.steps_per_dispatch=3',
  '--config.data.path=nowhere',
  '--config=experiments/configs/celeba.py',
  '--config=experiments/configs/demmo.py',
  '--workdir=file',
]


# Where another setting is wrong than the one that was given.
SAID = {
  '--config.model=vae_dis': ['config.similarity is empty', 'vae_dis'],
  '--config=experiments/configs/celeba.py': ['config.data.path is empty'],
}


@pytest.fixture(scope='module')
def fonts(tmp_path_factory):
  """A folder for what matplotlib says of the fonts, which takes a second."""
  where = tmp_path_factory.mktemp('fonts')
  subprocess.run(
    [sys.executable, '-c', 'import matplotlib.font_manager'],
    env=os.environ | {'MPLCONFIGDIR': str(where)},
    check=True,
  )
  return where


@pytest.mark.slow
@pytest.mark.parametrize('word', LAUNCHED)
def test_the_launcher_refuses_it_in_seconds_and_writes_nothing(
  word, tmp_path, fonts
):
  (tmp_path / 'file').touch()
  environment = os.environ | {
    'JAX_COMPILATION_CACHE_DIR': str(tmp_path / 'compiled'),
    'JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS': '0',
    'XLA_FLAGS': '--xla_force_host_platform_device_count=2',
    'MPLCONFIGDIR': str(fonts),
    'XDG_CACHE_HOME': str(tmp_path / 'user'),
    'PYTHONPATH': str(ROOT),
  }
  given = [
    f'--config={ROOT}/experiments/configs/demo.py',
    '--workdir=run',
    word.replace('=experiments', f'={ROOT}/experiments'),
  ]
  before = resource.getrusage(resource.RUSAGE_CHILDREN)
  result = subprocess.run(
    [sys.executable, '-m', 'experiments.train', *given],
    capture_output=True,
    text=True,
    check=False,
    cwd=tmp_path,
    env=environment,
  )
  after = resource.getrusage(resource.RUSAGE_CHILDREN)
  assert result.returncode == 1
  assert 'Traceback' not in result.stderr
  last = result.stderr.strip().splitlines()[-1]
  assert last.startswith('Error: ')
  name, _, value = word.lstrip('-').partition('=')
  for part in SAID.get(word, [name.removeprefix('no'), value]):
    assert part in last
  # A folder for what will be compiled may be made; nothing is put into it.
  assert [p.name for p in tmp_path.rglob('*') if p.is_file()] == ['file']
  # Its own time, as others may use the machine.
  user, system = after.ru_utime - before.ru_utime, after.ru_stime
  assert user + system - before.ru_stime < 5
