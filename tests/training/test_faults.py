"""One unlucky run: killed, preempted, starved; it must end like a lucky one.

The long set, with hundreds of faults, is in test_many_faults.py.
"""

import os
import signal
import subprocess
import sys
import time

import pytest

from tests import faults, forks


@pytest.fixture(scope='module')
def whole(world):
  """A run that nothing happens to."""
  assert world.run('whole') == 0, world.printed()
  return world.root / 'whole'


@pytest.fixture(scope='module')
def unlucky(world, whole):
  """A run that all this happens to; gives what was seen after each fault."""
  folder = world.root / 'unlucky'
  seen = {}

  def note(name, code):
    seen[name] = {
      'code': code,
      'steps': faults.steps(folder),
      'half': faults.half_files(folder),
      'printed': world.printed(),
    }

  def kill(name, condition, **kwargs):
    note(
      name, faults.strike(world, world.start('unlucky'), condition, **kwargs)
    )

  kill('killed early', (folder / 'config.json').exists)
  kill('killed in the first save', faults.saving(folder))
  kill('killed in a later save', faults.saving(folder, after=1))
  kill('killed in training', faults.reached(folder, 7))
  # Less than the largest file of every checkpoint: how Orbax divides the others
  # among files depends on its threads.
  note('disk full', world.run('unlucky', largest=40_000))
  begun = faults.reached(folder, 0)
  process = world.start('unlucky')
  faults.when(begun)
  time.sleep(0.2)  # it is tracing the first step
  os.kill(process, signal.SIGSTOP)
  seen['second'] = subprocess.run(
    [sys.executable, '-m', 'experiments.train', *world.words('unlucky')],
    capture_output=True,
    text=True,
    check=False,
    cwd=forks.ROOT,
  )
  os.kill(process, signal.SIGTERM)
  os.kill(process, signal.SIGCONT)
  note('preempted', world.nursery.wait())
  kill('killed late', faults.reached(folder, 24))
  note('finished', world.run('unlucky'))
  return folder, seen


@pytest.mark.parametrize(
  'name',
  [
    'killed early',
    'killed in the first save',
    'killed in a later save',
    'killed in training',
    'killed late',
  ],
)
def test_a_kill_leaves_nothing_half_done_in_sight(unlucky, name):
  _, seen = unlucky
  assert seen[name]['code'] == -signal.SIGKILL
  assert not seen[name]['half']


def test_a_run_killed_five_times_equals_the_uninterrupted_one_bit_for_bit(
  whole, unlucky
):
  folder, seen = unlucky
  assert seen['finished']['code'] == 0, seen['finished']['printed']
  assert faults.outcome(folder) == faults.outcome(whole)
  assert faults.logged(folder) == list(range(1, faults.STEPS + 1))


def test_a_full_disk_is_loud_and_leaves_older_checkpoints(unlucky):
  _, seen = unlucky
  full = seen['disk full']
  assert full['code'] == 74, full['printed']
  assert 'could not be written' in full['printed']
  assert seen['killed in training']['steps']
  assert full['steps'] == seen['killed in training']['steps']
  assert not full['half']


def test_a_second_run_in_a_folder_is_refused_by_host_and_process(unlucky):
  _, seen = unlucky
  assert seen['second'].returncode == 75
  assert 'in use by process' in seen['second'].stderr


def test_sigterm_saves_the_next_step_and_ends_with_143(unlucky):
  _, seen = unlucky
  assert seen['preempted']['code'] == 143
  last = seen['disk full']['steps'][-1]
  assert seen['preempted']['steps'][-1] == last + 1
  assert 'Asked to end' in seen['preempted']['printed']
