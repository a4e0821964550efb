"""A run resumes from any of its checkpoints, on any devices."""

import itertools

import jax
import numpy as np
import pytest

from tests import devices, small
from vaegan_jax.data import batches
from vaegan_jax.runs import checkpoints
from vaegan_jax.training import setup

STEPS = 50

IDENTITY = {'config': 'c', 'data': 'd'}


class Runner:
  """Runs steps on some devices, from any state."""

  def __init__(self, *, how='jit', devices=None):
    config = small.config(compile=how, steps=STEPS, **small.CALM)
    self._run = setup.prepare(config, devices=devices)
    self._feed = batches.Batches(
      small.noise(), seed=0, batch_size=8, sharding=self._run.compiled.sharded
    )
    self.initial = self._run.initialise()

  def go(self, state, start, stop):
    """Runs steps; returns the state and the metrics of each step."""
    rows = []
    for step in range(start, stop):
      state, metrics = self._run.compiled.step(state, self._feed(step))
      rows.append({name: float(x) for name, x in metrics.items()})
    return state, rows

  def restore(self, workdir):
    """Restores the newest checkpoint of a folder."""
    return checkpoints.Checkpoints(workdir, identity=IDENTITY).restore(
      self.initial
    )


def save(workdir, state, step):
  saved = checkpoints.Checkpoints(workdir, identity=IDENTITY)
  saved.save(state, step=step)
  saved.close()


def numbers(state):
  state = state.replace(key=jax.random.key_data(state.key))
  return jax.device_get(state)


@pytest.mark.slow
def test_every_one_of_fifty_checkpoints_leads_to_the_same_end(tmp_path):
  runner = Runner()
  state, rows = jax.tree.map(lambda x: x.copy(), runner.initial), []
  for step in range(STEPS):
    state, row = runner.go(state, step, step + 1)
    rows += row
    save(tmp_path / f'{step + 1}', state, step + 1)
  end = numbers(state)
  for step in range(1, STEPS):
    resumed = runner.restore(tmp_path / f'{step}')
    state, tail = runner.go(resumed, step, STEPS)
    assert tail == rows[step:], step
    jax.tree.map(np.testing.assert_array_equal, numbers(state), end)


def topologies(folder):
  """Starts on four devices and resumes on others, in a process of its own.

  Returns:
    the largest relative difference of a loss, and of a gradient's norm.
  """
  uninterrupted, half = {}, STEPS // 2
  devices = jax.devices()
  assert len(devices) == 4
  ways = {
    (how, count): Runner(how=how, devices=devices[:count])
    for how in ('jit', 'pmap')
    for count in (1, 2, 4)
  }
  for (how, count), runner in ways.items():
    if count == 4:
      copied = jax.tree.map(lambda x: x.copy(), runner.initial)
      state, _ = runner.go(copied, 0, half)
      save(folder / how, state, half)
      uninterrupted[how] = runner.go(state, half, STEPS)
  worst = []
  for begun, way in itertools.product(uninterrupted, ways):
    state, rows = ways[way].go(ways[way].restore(folder / begun), half, STEPS)
    expected_state, expected = uninterrupted[begun]
    if way == (begun, 4):
      assert rows == expected, way
      jax.tree.map(
        np.testing.assert_array_equal, numbers(state), numbers(expected_state)
      )
    worst.append(small.apart(expected, rows))
  return map(max, zip(*worst, strict=True))


@pytest.mark.slow
def test_four_devices_go_on_as_two_or_one_by_jit_or_pmap(tmp_path):
  program = (
    'import pathlib, sys; from tests.training import test_resuming;'
    'print(*test_resuming.topologies(pathlib.Path(sys.argv[1])))'
  )
  printed = devices.run(program, str(tmp_path), count=4)
  worst, norms = map(float, printed.split())
  print(f'metrics {worst:.1e} apart, norms of gradients {norms:.1e}')
  assert worst < 1e-4
  assert norms < 1e-2
