"""Wrong flags are refused with the nearest valid flag, by the launcher too."""

import os
import resource
import subprocess
import sys

import pytest
from absl import flags
from ml_collections import config_flags

from experiments import overrides
from tests import ROOT
from vaegan_jax.config import schema


def words(*overridden, config='demo'):
  return [f'--config=experiments/configs/{config}.py', *overridden]


FLAGS = [
  ('--config.gama=1', r'--config\.gama=1 does not .* mean --config\.gamma'),
  ('--config.learning_rate=1', r'mean --config\.optimizer\.learning_rate'),
  ('--config.optimizer.nme=adam', r'did you mean --config\.optimizer\.name'),
  ('--confg.gamma=1', r'--confg\.gamma=1 .* did you mean --config\.gamma'),
  ('--noconfig.data.flip', r'did you mean --config\.data\.flips'),
  ('--config.steps=many', r'steps=many: expected a whole number, as in .*=340'),
  ('--config.steps=1.5', r'steps=1\.5: expected a whole number'),
  ('--config.gamma=much', r'gamma=much: expected a finite number'),
  ('--config.data.flips=maybe', r'flips=maybe: expected True or False'),
  ('--config.data.size=a,b', r'size=a,b: .*size=64,64'),
  ('--config.encoder.channels=', r'channels=: expected whole numbers'),
  ('--noconfig.gamma', r'--noconfig\.gamma: expected a finite number'),
  ('--config.data.flips=no', r'flips=no: expected True or False'),
  ('--noconfig.data.flips=1', r'flips=1: expected True or False'),
  ('--config.data.path', r'data\.path: expected text'),
  ('--config.data=3', r'data=3 is a section, .*: set one of .* data\.source'),
]  # fmt: skip


@pytest.mark.parametrize(('word', 'message'), FLAGS)
def test_a_wrong_flag_is_refused_with_the_nearest_right_one(word, message):
  with pytest.raises(ValueError, match=message):
    overrides.resolve(words(word))
  with pytest.raises(ValueError, match=message):
    overrides.resolve(words(*word.split('=')))


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
def test_valid_flags_are_accepted(right):
  overrides.resolve(words(*right))
  overrides.resolve(['--workdir=x', *right[:1]])


def parsed(*words):
  """Returns the config that a launcher reads from a command line."""
  resolved = overrides.resolve(words)
  values = flags.FlagValues()
  holder = config_flags.DEFINE_config_file(
    'config', flag_values=values, sys_argv=resolved
  )
  assert values(['program', *resolved]) == ['program']
  return holder.value


GIVEN_TWICE = [
  ('encoder.channels', ['=16,32', '=8,16'], (8, 16)),
  ('encoder.channels', ['=16,32', '=(8,)', '=4'], (4,)),
  ('gamma', ['=1', '=2'], 2.0),
  ('data.flips', ['=False', ''], True),
  ('model', ['=gan', '=vae'], 'vae'),
]


@pytest.mark.parametrize(('name', 'values', 'expected'), GIVEN_TWICE)
@pytest.mark.parametrize('separator', ['=', ' '])
def test_the_last_value_of_a_setting_counts(name, values, expected, separator):
  given = [
    word
    for value in values
    for word in f'--config.{name}{value}'.replace('=', separator).split(' ')
  ]
  config = parsed('--config=demo', *given, '--config.steps=3')
  assert schema.flatten(config)[name] == expected
  assert config.steps == 3


@pytest.mark.parametrize(
  ('words', 'expected'),
  [
    (['--config.data.flips', '--noconfig.data.flips'], False),
    (['--noconfig.data.flips', '--config.data.flips'], True),
    (['--noconfig.data.flips', '--config.data.flips', 'f'], False),
  ],
)
def test_a_flag_may_be_negated_and_set_again(words, expected):
  assert parsed('--config=demo', *words).data.flips == expected


def test_a_second_config_keeps_the_settings_before_it():
  config = parsed('--config.steps=3', '--config=celeba', '--config', 'demo')
  assert (config.steps, config.data.source) == (3, 'faces')


def test_the_settings_of_a_flagfile_are_checked_too(tmp_path):
  file = tmp_path / 'flags'
  file.write_text('--config=demo\n--config.steps=3\n')
  words = [f'--flagfile={file}', '--config.steps=4']
  assert parsed(*words).steps == 4
  file.write_text('--config=demo\n--config.stps=3\n')
  with pytest.raises(ValueError, match=r'mean --config\.steps'):
    overrides.resolve(words)


@pytest.mark.parametrize(
  'name',
  [
    'demo',
    'demo.py',
    'experiments/configs/demo',
    'experiments/configs/demo.py',
  ],
)
def test_a_config_is_found_from_any_folder(name, tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  path = ROOT / 'experiments' / 'configs' / 'demo.py'
  assert overrides.resolve([f'--config={name}']) == [f'--config={path}']
  (tmp_path / 'demo').mkdir()
  assert overrides.resolve([f'--config={name}']) == [f'--config={path}']


def test_a_config_of_the_current_folder_precedes_ours(tmp_path, monkeypatch):
  monkeypatch.chdir(tmp_path)
  (tmp_path / 'demo.py').write_text('def get_config(): return {"mine": 1}')
  assert overrides.resolve(['--config=demo', '--config.mine=2']) == [
    f'--config={tmp_path / "demo.py"}',
    '--config.mine=2',
  ]


def test_flags_of_a_reproduction_name_its_training_settings():
  right = '--config.training.gamma=1'
  overrides.resolve(words(right, config='reproduce_faces'))
  with pytest.raises(ValueError, match=r'mean --config\.training\.gamma'):
    overrides.resolve(words('--config.gamma=1', config='reproduce_faces'))


@pytest.mark.parametrize('name', ['demmo', 'x'])
def test_a_missing_config_is_refused_with_the_existing_ones(name):
  with pytest.raises(ValueError, match=r'There are: celeba, .*, vae_dis') as e:
    overrides.resolve(words(config=name))
  assert ('did you mean --config=demo?' in str(e.value)) == (name == 'demmo')


def test_a_file_that_is_not_a_config_is_refused(tmp_path):
  (tmp_path / 'a.py').write_text('x = 1')
  (tmp_path / 'a.txt').write_text('x = 1')
  for name, message in (('a.py', 'get_config'), ('a.txt', 'Python file')):
    with pytest.raises(ValueError, match=message):
      overrides.resolve([f'--config={tmp_path / name}'])


# Flags of the real launcher, which replace or follow --config=demo.py.
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
  '--config.init_from=nowhere',
  '--config.steps_per_dispatch=3',
  '--config.data.path=nowhere',
  '--config=experiments/configs/celeba.py',
  '--config=experiments/configs/demmo.py',
  '--config.data.path=s3://bucket/images',
  '--workdir=file',
  '--workdir=gs://bucket/run',
  '--workdir=$NOT_SET_ANYWHERE/run',
  '--multihost',
]


# Words of the messages that do not name the given flag.
EXPECTED = {
  '--config.model=vae_dis': ["config.similarity = ''", 'vae_dis'],
  '--config=experiments/configs/celeba.py': ["config.data.path = ''"],
  '--multihost': ['--multihost found no cluster', '--coordinator=HOST:PORT'],
}


@pytest.fixture(scope='module')
def fonts(tmp_path_factory):
  """The folder of matplotlib's list of fonts, which takes a second to make."""
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
  for part in EXPECTED.get(word, [name.removeprefix('no'), value]):
    assert part in last
  # The compilation cache may be created but stays empty.
  assert [p.name for p in tmp_path.rglob('*') if p.is_file()] == ['file']
  # CPU time does not depend on other processes, as wall time does.
  user, system = after.ru_utime - before.ru_utime, after.ru_stime
  assert user + system - before.ru_stime < 5
