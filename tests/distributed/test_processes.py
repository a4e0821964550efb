"""Real processes on the loopback: a run of several is the run of one."""

import os
import signal
import time

import jax
import numpy as np
import pytest

from tests import cluster, faults
from vaegan_jax.distributed import processes
from vaegan_jax.runs import checkpoints, records


def metrics(folder):
  return records.read_rows(folder / records.METRICS)


def assert_equal_runs(one, other, *, tolerance=1e-5):
  """Holds that two runs have the same losses and end in the same state.

  Args:
    one: a run's folder.
    other: the folder of a run that should equal it.
    tolerance: of the losses, relative. The state's is five times as wide, as
      the steps have spread what rounding did.
  """
  rows, others = metrics(one), metrics(other)
  assert [row['step'] for row in rows] == [row['step'] for row in others]
  for row, twin in zip(rows, others, strict=True):
    assert row.keys() == twin.keys()
    for name, value in row.items():
      np.testing.assert_allclose(
        twin[name], value, rtol=tolerance, err_msg=name
      )
  (step, state), (last, twin) = map(checkpoints.load, (one, other))
  assert step == last
  leaves = zip(jax.tree.leaves(state), jax.tree.leaves(twin), strict=True)
  # Of their largest number, if that is above 1: moments of a gradient may be.
  apart = [
    float(np.abs(b - a).max(initial=0) / np.abs(a).max(initial=1))
    for a, b in leaves
  ]
  print(f'{one.name}, {other.name}: states {max(apart):.1e} apart')
  assert max(apart) <= 5 * tolerance


def alone(world, name, *flags, devices):
  """Trains in one process."""
  several = f'{os.environ["XLA_FLAGS"]} {cluster.devices_flag(devices)}'
  code = world.run(name, *flags, XLA_FLAGS=several)
  assert code == 0, world.printed()
  return world.root / name


def test_processes_agree_and_each_has_its_rows_of_the_batch(world):
  two = cluster.Cluster(world, 'tests.joint_checks', 2, devices=2)
  assert two.wait() == [0, 0], two.printed()
  assert [two.printed(i).count('all passed') for i in range(2)] == [1, 1]


SHORT = ('--config.steps=6',)


@pytest.mark.slow
@pytest.mark.parametrize('count', [2, 4])
def test_processes_train_as_one_with_as_many_devices(world, count):
  expected = alone(world, f'one of {count}', *SHORT, devices=count)
  folder = world.root / f'{count}'
  all_of_them = cluster.Cluster(world, folder.name, count, flags=SHORT)
  assert all_of_them.wait() == [0] * count, all_of_them.printed()
  assert_equal_runs(expected, folder)
  assert faults.steps(folder) == [4, 6]
  assert (folder / 'report.html').exists()
  # Process 0 alone tells, and writes.
  assert 'training:' in all_of_them.printed(0)
  assert 'training:' not in all_of_them.printed(1)
  timing = records.read_rows(folder / records.TIMING)
  assert all(len(row['waiting']) == count for row in timing)
  (start,) = records.read_rows(folder / records.STARTS)
  assert (start['processes'], start['devices']) == (count, count)


def survived(lost, *, killed, index):
  """Kills one process; gives what the others printed, ended within a minute."""
  lost.send(index)
  start = time.monotonic()
  codes = lost.wait()
  seconds = time.monotonic() - start
  print(f'process {index} killed {killed}: {codes} after {seconds:.1f} s')
  assert seconds < 60
  assert codes.pop(index) == -signal.SIGKILL
  # Lost by name, or ended by JAX, which says that another task died.
  assert set(codes) <= {75, -signal.SIGABRT}, lost.printed()
  for i in range(len(lost.processes)):
    if i != index:
      text = lost.printed(i)
      assert 'another one was lost' in text or 'another task died' in text


@pytest.mark.slow
def test_a_run_of_four_killed_and_preempted_equals_that_of_one_process(world):
  expected = alone(world, 'quiet', devices=4)
  folder = world.root / 'stormy'

  four = cluster.Cluster(world, 'stormy', 4)
  faults.when(faults.reached(folder, 7))
  survived(four, killed='in training', index=2)
  assert faults.steps(folder)
  assert not faults.half_files(folder)

  begun = faults.reached(folder, 10)
  two = cluster.Cluster(world, 'stormy', 2, devices=2)
  faults.when(begun)
  two.send(1, signal.SIGTERM)
  assert two.wait() == [143, 143], two.printed()
  stopped = faults.steps(folder)[-1]
  assert faults.logged(folder) == list(range(1, stopped + 1))
  assert f'step {stopped} is saved' in two.printed(0)
  assert f'step {stopped} is saved' in two.printed(1)

  begun = faults.reached(folder, stopped + 2)
  four = cluster.Cluster(world, 'stormy', 4)
  faults.when(begun)
  survived(four, killed='who led', index=0)

  four = cluster.Cluster(world, 'stormy', 4)
  assert four.wait() == [0] * 4, four.printed()
  # Sums over other parts of the batch are rounded otherwise.
  assert_equal_runs(expected, folder, tolerance=1e-4)
  starts = records.read_rows(folder / records.STARTS)
  assert [row['processes'] for row in starts] == [4, 2, 4, 4]
  assert starts[1]['step'] <= 7
  assert starts[2]['step'] == stopped


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_processes_and_devices(world):
  expected = alone(world, 'same', devices=1)
  folder = world.root / 'changing'
  for count, devices, until in ((4, 1, 6), (1, 4, 12), (2, 2, None)):
    begun = faults.reached(folder, until or 0)
    some = cluster.Cluster(world, 'changing', count, devices=devices)
    if until is None:
      assert some.wait() == [0] * count, some.printed()
    else:
      faults.when(begun)
      some.send(0, signal.SIGTERM)
      assert some.wait() == [143] * count, some.printed()
  starts = records.read_rows(folder / records.STARTS)
  assert [row['processes'] for row in starts] == [4, 1, 2]
  # Sums over other parts of the batch are rounded otherwise.
  assert_equal_runs(expected, folder, tolerance=1e-4)


@pytest.mark.parametrize(
  ('address', 'count', 'index', 'message'),
  [
    ('here', 2, 0, 'HOST:PORT'),
    ('a:1', 0, 0, '--processes=0'),
    ('a:1', 2, 2, '--process=2.*0 to 1'),
    ('a:1', 2, -1, '--process=-1'),
  ],
)
def test_impossible_process_numbers_are_refused(address, count, index, message):
  with pytest.raises(ValueError, match=message):
    processes.initialize(
      coordinator_address=address, num_processes=count, process_id=index
    )
