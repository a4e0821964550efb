"""Processes on the loopback: a run of several equals the run of one."""

import signal
import time

import jax
import numpy as np
import pytest

from tests import cluster, faults, small
from vaegan_jax.distributed import processes
from vaegan_jax.runs import checkpoints, records


def read_rows(folder):
  return records.read_rows(folder / records.METRICS)


def assert_equal_runs(one, other, *, tolerance=1e-5):
  """Asserts that two runs have equal losses and final states, to rounding.

  Args:
    one: a run's folder.
    other: the folder of the other run.
    tolerance: of the losses, relative. Networks, which these few small steps
      move by 1e-4 or less, have a fifth of it. Gradients jump where rounding
      moves a unit across a ReLU's kink, so their norms, and their moments in
      the optimizers, have a wider one.
  """
  rows, others = read_rows(one), read_rows(other)
  assert [row['step'] for row in rows] == [row['step'] for row in others]
  losses, norms = small.apart(rows, others)
  (step, state, _), (last, twin, _) = map(checkpoints.load, (one, other))
  assert step == last
  optimizers = [
    [network.pop('opt_state') for network in saved['networks'].values()]
    for saved in (state, twin)
  ]
  moved, moments = largest_change(state, twin), largest_change(*optimizers)
  print(
    f'{one.name}, {other.name}: losses {losses:.1e} apart, norms of gradients '
    f'{norms:.1e}, networks {moved:.1e}, moments {moments:.1e}'
  )
  assert losses <= tolerance
  assert moved <= tolerance / 5
  assert max(norms, moments) <= 1000 * tolerance


def largest_change(tree, other):
  """Returns the largest difference, relative to its array's maximum above 1."""
  leaves = zip(jax.tree.leaves(tree), jax.tree.leaves(other), strict=True)
  return max(
    float(np.abs(b - a).max(initial=0) / np.abs(a).max(initial=1))
    for a, b in leaves
  )


def train_alone(world, name, *flags, devices):
  """Trains in one process; returns the run's folder."""
  code = world.run(name, *flags, XLA_FLAGS=cluster.xla_flags(devices))
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
  expected = train_alone(world, f'one of {count}', *SHORT, devices=count)
  folder = world.root / f'{count}'
  joint = cluster.Cluster(world, folder.name, count, flags=SHORT)
  assert joint.wait() == [0] * count, joint.printed()
  assert_equal_runs(expected, folder)
  assert faults.steps(folder) == [4, 6]
  assert (folder / 'report.html').exists()
  # Only process 0 logs and writes.
  assert 'training:' in joint.printed(0)
  assert 'training:' not in joint.printed(1)
  timing = records.read_rows(folder / records.TIMING)
  assert all(len(row['waiting']) == count for row in timing)
  (start,) = records.read_rows(folder / records.STARTS)
  assert (start['processes'], start['devices']) == (count, count)


def kill_one(group, index):
  """Kills a process, and asserts that the others end within a minute."""
  group.send(index)
  start = time.monotonic()
  codes = group.wait()
  seconds = time.monotonic() - start
  print(f'process {index} killed: {codes} after {seconds:.1f} s')
  assert seconds < 60
  assert codes.pop(index) == -signal.SIGKILL
  # ProcessLost, or ended by JAX, which prints that another task died.
  assert set(codes) <= {75, -signal.SIGABRT}, group.printed()
  for i in range(len(group.processes)):
    if i != index:
      text = group.printed(i)
      assert 'another one was lost' in text or 'another task died' in text


@pytest.mark.slow
def test_a_run_of_four_killed_and_preempted_equals_that_of_one_process(world):
  expected = train_alone(world, 'uninterrupted', devices=4)
  folder = world.root / 'interrupted'

  four = cluster.Cluster(world, 'interrupted', 4)
  faults.wait_until(faults.reached(folder, 7))
  kill_one(four, 2)
  assert faults.steps(folder)
  assert not faults.partial_files(folder)

  began = faults.reached(folder, 10)
  two = cluster.Cluster(world, 'interrupted', 2, devices=2)
  faults.wait_until(began)
  two.send(1, signal.SIGTERM)
  assert two.wait() == [143, 143], two.printed()
  stopped = faults.steps(folder)[-1]
  assert [row['step'] for row in read_rows(folder)] == list(
    range(1, stopped + 1)
  )
  assert f'step {stopped} is saved' in two.printed(0)
  assert f'step {stopped} is saved' in two.printed(1)

  began = faults.reached(folder, stopped + 2)
  four = cluster.Cluster(world, 'interrupted', 4)
  faults.wait_until(began)
  kill_one(four, 0)

  four = cluster.Cluster(world, 'interrupted', 4)
  assert four.wait() == [0] * 4, four.printed()
  # Sums over other parts of the batch are rounded differently.
  assert_equal_runs(expected, folder, tolerance=1e-4)
  starts = records.read_rows(folder / records.STARTS)
  assert [row['processes'] for row in starts] == [4, 2, 4, 4]
  assert starts[1]['step'] <= 7
  assert starts[2]['step'] == stopped


@pytest.mark.slow
def test_a_run_goes_on_with_another_number_of_processes_and_devices(world):
  expected = train_alone(world, 'same', devices=1)
  folder = world.root / 'changing'
  for count, devices, until in ((4, 1, 6), (1, 4, 12), (2, 2, None)):
    began = faults.reached(folder, until or 0)
    some = cluster.Cluster(world, 'changing', count, devices=devices)
    if until is None:
      assert some.wait() == [0] * count, some.printed()
    else:
      faults.wait_until(began)
      some.send(0, signal.SIGTERM)
      assert some.wait() == [143] * count, some.printed()
  starts = records.read_rows(folder / records.STARTS)
  assert [row['processes'] for row in starts] == [4, 1, 2]
  # Sums over other parts of the batch are rounded differently.
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


@pytest.mark.parametrize(
  'error',
  [
    ValueError('none'),
    jax.errors.JaxRuntimeError('DEADLINE'),
    RuntimeError('Failed to recognize coordinator address'),
    ConnectionError('no metadata'),
  ],
)
def test_a_slurm_job_without_srun_is_refused_with_the_remedy(
  monkeypatch, error
):
  def fail(*arguments, **settings):
    raise error

  monkeypatch.setattr(jax.distributed, 'initialize', fail)
  monkeypatch.setattr(jax.config, 'update', lambda name, value: None)
  monkeypatch.setenv('SLURM_JOB_ID', '42')
  kind = ValueError if type(error) is ValueError else processes.ProcessLost
  with pytest.raises(kind, match=r'This is Slurm job 42: .* srun'):
    processes.initialize()


def test_the_log_says_what_to_do_before_jax_may_end_the_process(
  monkeypatch, caplog
):
  caplog.set_level('INFO')
  monkeypatch.setattr(jax.distributed, 'initialize', lambda *_, **__: None)
  monkeypatch.setattr(jax.config, 'update', lambda name, value: None)
  processes.initialize(coordinator_address='a:1', num_processes=2, process_id=0)
  assert 'If that takes 5 minutes, JAX ends this one' in caplog.text
  assert 'check that its port is open' in caplog.text
