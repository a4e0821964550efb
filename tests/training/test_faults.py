"""A run that is killed, preempted and starved of disk ends like any other.

The long set, with hundreds of faults, is in test_many_faults.py.
"""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests import ROOT, faults

pytestmark = pytest.mark.slow

KILLS = (
  'early',
  'in the first save',
  'in a later save',
  'in training',
  'late',
)


@pytest.fixture(scope='module')
def whole(world):
  """A run without faults."""
  assert world.run('whole') == 0, world.printed()
  return world.root / 'whole'


@pytest.fixture(scope='module')
def unlucky(world, whole):
  """A run with all faults; returns its folder, and what each fault left."""
  folder = world.root / 'unlucky'
  seen = {}

  def note(name, code):
    seen[name] = {
      'code': code,
      'steps': faults.steps(folder),
      'partial': faults.partial_files(folder),
      'printed': world.printed(),
    }

  def kill(name, condition):
    note(name, faults.kill(world, world.start('unlucky'), condition))

  kill('early', (folder / 'config.json').exists)
  kill('in the first save', faults.saving(folder))
  kill('in a later save', faults.saving(folder, after=1))
  # On a busy machine, a save ends several steps after it began.
  logged = faults.reached(folder, 7)
  kill('in training', lambda: logged() and faults.steps(folder))
  # Smaller than the _METADATA of every checkpoint (35 kB), however the threads
  # of Orbax divide the state among files.
  note('disk full', world.run('unlucky', max_file_size=30_000))
  began = faults.reached(folder, 0)
  process = world.start('unlucky')
  faults.wait_until(began)
  time.sleep(0.2)  # it traces the first step
  os.kill(process, signal.SIGSTOP)
  seen['second'] = subprocess.run(
    [sys.executable, '-m', 'experiments.train', *world.flags('unlucky')],
    capture_output=True,
    text=True,
    check=False,
    cwd=ROOT,
  )
  os.kill(process, signal.SIGTERM)
  os.kill(process, signal.SIGCONT)
  note('preempted', world.server.wait())
  kill('late', faults.reached(folder, 24))
  note('finished', world.run('unlucky'))
  return folder, seen


@pytest.mark.parametrize('name', KILLS)
def test_a_kill_leaves_no_partial_checkpoint(unlucky, name):
  _, seen = unlucky
  assert seen[name]['code'] == -signal.SIGKILL
  assert not seen[name]['partial']


def test_a_run_killed_five_times_equals_the_uninterrupted_one_bit_for_bit(
  whole, unlucky
):
  folder, seen = unlucky
  assert seen['finished']['code'] == 0, seen['finished']['printed']
  faults.assert_complete(folder, faults.digests(whole))


def test_a_full_disk_is_reported_and_leaves_older_checkpoints(unlucky):
  _, seen = unlucky
  full = seen['disk full']
  assert full['code'] == 74, full['printed']
  assert 'could not be written' in full['printed']
  assert seen['in training']['steps']
  assert full['steps'] == seen['in training']['steps']
  assert not full['partial']


def test_a_second_run_in_a_folder_is_refused_by_host_and_process(unlucky):
  _, seen = unlucky
  assert seen['second'].returncode == 75
  assert 'in use by process' in seen['second'].stderr


def test_sigterm_saves_the_next_step_and_ends_with_143(unlucky):
  _, seen = unlucky
  assert seen['preempted']['code'] == 143
  last = seen['disk full']['steps'][-1]
  assert seen['preempted']['steps'][-1] == last + 1
  assert 'A signal stops the run' in seen['preempted']['printed']
