"""Wrong flags are refused with the nearest valid flag, by the launcher too."""

import os
import resource
import subprocess
import sys

import pytest

from experiments import overrides
from tests import ROOT


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
  ('--config.gamma=much', r'gamma=much: expected a finite number'),
  ('--config.data.flips=maybe', r'flips=maybe: expected True or False'),
  ('--config.data.size=a,b', r'size=a,b: .*size=32,32'),
  ('--config.encoder.channels=', r'channels=: expected whole numbers'),
  ('--config.data=3', r'data=3 is a section, .*: set one of .* data\.source'),
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
def test_valid_flags_are_accepted(right):
  overrides.check(words(*right))
  overrides.check(['--workdir=x', *right[:1]])


def test_flags_of_a_reproduction_name_its_training_settings():
  right = '--config.training.gamma=1'
  overrides.check(words(right, config='reproduce_faces'))
  with pytest.raises(ValueError, match=r'mean --config\.training\.gamma'):
    overrides.check(words('--config.gamma=1', config='reproduce_faces'))


@pytest.mark.parametrize('name', ['demmo', 'x'])
def test_a_missing_config_is_refused_with_the_existing_ones(name):
  with pytest.raises(ValueError, match=r'There are: celeba, .*, vae_dis') as e:
    overrides.check(words(config=name))
  assert ('did you mean experiments/configs/demo.py?' in str(e.value)) == (
    name == 'demmo'
  )


def test_a_file_that_is_not_a_config_is_refused(tmp_path):
  (tmp_path / 'a.py').write_text('x = 1')
  (tmp_path / 'a.txt').write_text('x = 1')
  for name, message in (('a.py', 'get_config'), ('a.txt', 'Python file')):
    with pytest.raises(ValueError, match=message):
      overrides.check([f'--config={tmp_path / name}'])


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
  '--config.steps_per_dispatch=3',
  '--config.data.path=nowhere',
  '--config=experiments/configs/celeba.py',
  '--config=experiments/configs/demmo.py',
  '--workdir=file',
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
