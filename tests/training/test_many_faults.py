"""The long set (`make faults`): every interrupted run ends like any other."""

import os
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from tests import ROOT, faults, forks

pytestmark = pytest.mark.faults

KILLS = int(os.environ.get('KILLS', 200))


@pytest.fixture(scope='module')
def whole(world):
  """A run without faults, and the seconds that it takes."""
  world.run('first')  # compiles for the others
  start = time.monotonic()
  assert world.run('whole') == 0, world.printed()
  return world.root / 'whole', time.monotonic() - start


@pytest.fixture(scope='module')
def expected(whole):
  return faults.digests(whole[0])


@pytest.mark.parametrize('part', range(4))
def test_runs_killed_two_hundred_times_equal_the_uninterrupted_one(
  world, whole, expected, part
):
  draw = np.random.default_rng(part)
  left, runs = KILLS // 4, 0
  while left:
    folder, code = world.root / f'killed_{part}_{runs}', None
    while code != 0:
      if draw.random() < 0.5:
        condition, delay = faults.saving(folder), draw.uniform(0, 0.4)
      else:
        condition, delay = (lambda: True), draw.uniform(0, 1.1 * whole[1])
      if left:
        process = world.start(folder.name)
        code = faults.kill(world, process, condition, delay=delay)
      else:
        code = world.run(folder.name)
      assert code in (0, -signal.SIGKILL), world.printed()
      left -= code != 0
      assert not faults.partial_files(folder)
    faults.assert_complete(folder, expected)
    shutil.rmtree(folder)
    runs += 1
  print(f'{KILLS // 4} kills over {runs} runs, all equal')


def exists(name):
  return lambda world, folder: (folder / name).exists


def reached(step):
  return lambda world, folder: faults.reached(folder, step)


def saving(after):
  return lambda world, folder: faults.saving(folder, after=after)


def caching(world, folder):
  del folder
  return lambda: any(world.cache.rglob('.writing-*'))


# When SIGTERM is sent: seconds after a condition holds.
POSITIONS = {
  'starting': (lambda world, folder: lambda: True, 0.3),
  'locking': (exists('.lock'), 0.0),
  'writing the config': (exists('config.json'), 0.0),
  'caching': (caching, 0.0),
  'caching, later': (caching, 0.05),
  'initialising': (exists('checkpoints'), 0.1),
  'restoring': (exists('checkpoints'), 0.6),
  'before the loop': (exists('metrics.jsonl'), 0.0),
  'tracing': (reached(0), 0.2),
  'compiling': (reached(0), 2.0),
  'the first step': (reached(1), 0.0),
  'training': (reached(3), 0.0),
  'saving': (saving(0), 0.0),
  'saving, later': (saving(0), 0.2),
  'saving again': (saving(2), 0.1),
  'drawing': (reached(8), 0.0),
  'drawing, later': (reached(8), 0.3),
  'the last step': (reached(24), 0.0),
  'drawing at the end': (exists('figures/samples.png'), 0.0),
  'reporting': (exists('figures/interpolation.png'), 0.5),
}


@pytest.mark.parametrize('name', POSITIONS)
def test_sigterm_ends_a_run_with_143_at_any_moment(world, expected, name):
  make, delay = POSITIONS[name]
  folder = world.root / f'terminated_{name}'
  if name.startswith('caching'):
    shutil.rmtree(world.cache)
  condition = make(world, folder)
  process = world.start(folder.name)
  faults.wait_until(lambda: condition() or not faults.is_alive(process))
  time.sleep(delay)
  start = time.monotonic()
  os.kill(process, signal.SIGTERM)
  time.sleep(0.05)
  os.kill(process, signal.SIGTERM)  # a second one does no harm
  code = world.server.wait()
  seconds = time.monotonic() - start
  print(f'{name}: {code} after {seconds:.1f} s')
  assert code == 143, world.printed()
  assert seconds < 30
  assert not faults.partial_files(folder)
  assert not (folder / '.holder.json').exists()
  assert world.run(folder.name) == 0, world.printed()
  faults.assert_complete(folder, expected)


@pytest.mark.parametrize('delay', [0.5, 3.0])
def test_sigterm_ends_an_evaluation_with_143(world, whole, delay):
  process = world.start('whole', '--images=20', module='evaluate')
  time.sleep(delay)
  os.kill(process, signal.SIGTERM)
  assert world.server.wait() == 143, world.printed()


# In a mount namespace of its own.
ON_A_SMALL_DISK = """
set -eu
mkdir -p {folder} && mount -t tmpfs -o size={size} none {folder}
set +e
{command}
echo "exit code $?"
"""


def can_mount():
  """Returns whether this user may mount a disk in a namespace."""
  result = subprocess.run(
    ['unshare', '-rm', 'mount', '-t', 'tmpfs', 'none', '/mnt'],
    capture_output=True,
    check=False,
  )
  return result.returncode == 0


@pytest.mark.skipif(
  not shutil.which('unshare') or not can_mount(),
  reason='mounting a small disk is not allowed here',
)
@pytest.mark.parametrize('size', ['100k', '400k', '1m', '2m'])
def test_a_disk_that_fills_up_ends_the_run_with_74(world, whole, size):
  folder = world.root / f'disk_{size}'
  flags = ' '.join(world.flags(folder.name))
  command = f'{sys.executable} -m experiments.train {flags} --config.keep=100'
  script = ON_A_SMALL_DISK.format(folder=folder, size=size, command=command)
  start = time.monotonic()
  result = subprocess.run(
    ['unshare', '-rm', 'sh', '-c', script],
    capture_output=True,
    text=True,
    check=False,
    cwd=ROOT,
    env=os.environ | forks.FLAGS,
    timeout=300,
  )
  seconds = time.monotonic() - start
  print(f'{size}: {seconds:.0f} s, {result.stdout!r}')
  assert 'exit code 74' in result.stdout, result.stderr[-3000:]
  assert 'Error: ' in result.stderr
