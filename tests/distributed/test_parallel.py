"""jit, pmap and the number of devices change results by rounding only."""

import jax
import pytest

from tests import devices
from vaegan_jax.distributed import parallel

PROGRAM = """
import sys
import jax, numpy as np
from tests import small
from vaegan_jax.training import setup
from vaegan_jax.core import train_state
from vaegan_jax.data import batches

draw = np.random.default_rng(0)
pixels = draw.integers(0, 256, (3, 8, 16, 16, 3), np.uint8)

def trajectory(how, count, **changes):
  config = small.config(compile=how, data__flips=True, **changes)
  run = setup.prepare(config, devices=jax.devices()[:count])
  state, rows = run.initialise(), []
  if config.steps_per_dispatch > 1:
    state, metrics = run.compiled.step(state, batches.Batch(pixels, None))
    rows = [
      {k: float(v[i]) for k, v in metrics.items()} for i in range(len(pixels))
    ]
    return rows, jax.device_get(state.networks['decoder'].params)
  for batch in pixels:
    batch = batches.Batch(jax.device_put(batch, run.compiled.sharded), None)
    state, metrics = run.compiled.step(state, batch)
    rows.append({k: float(v) for k, v in metrics.items()})
  if how == 'pmap':
    assert train_state.not_finite(state) == ()
  return rows, jax.device_get(state.networks['decoder'].params)

assert len(jax.devices()) == 4
joint = sys.argv[1] == 'joint'
paper = dict(
  joint_normalisation=joint,
  non_saturating=not joint,
  optimizer__name='rmsprop',
  optimizer__momentum=0.0,
  optimizer__decay=0.9,
  optimizer__learning_rate=1e-4,
)
expected, params = trajectory('jit', 1, **paper)
together = dict(steps_per_dispatch=3, save_every=3, picture_every=3)
ways = [('jit', 4, {}), ('pmap', 4, {})]
if not joint:
  ways += [('jit', 4, together), ('pmap', 4, together)]
if sys.argv[1] == 'all':
  ways = [(how, n, {}) for how in ('jit', 'pmap') for n in (1, 2, 4)]
for how, count, several in ways:
  rows, others = trajectory(how, count, **paper, **several)
  assert len(rows) == 3
  apart = max(
    abs(two[name] - one[name]) / abs(one[name])
    for one, two in zip(expected, rows)
    for name in one
    if two[name] != one[name]
  ) if rows != expected else 0.0
  moved = max(
    float(np.abs(a - b).max())
    for a, b in zip(jax.tree.leaves(params), jax.tree.leaves(others))
  )
  print(f'{how} {count} {several}: metrics {apart:.1e}, Dec {moved:.1e} apart')
  assert apart < 2e-4
  # After three updates of 1e-4 or so, within a hundredth of one.
  assert moved < 3e-6
print('equal')
"""


# A step of a few operations, as a loop over real steps is slow to compile.
SEVERAL = """
import functools
import jax, numpy as np
from vaegan_jax.distributed import parallel

def step(how, state, batch):
  seen = batch['x'].sum()
  if how == 'pmap':
    seen = jax.lax.psum(seen, parallel.AXIS_NAME)
  state = 0.5 * state + seen
  return state, {'state': state, 'seen': seen}

x = np.random.default_rng(0).normal(size=(3, 8, 2)).astype(np.float32)
expected, rows = np.zeros(()), []
for batch in x:
  expected = 0.5 * expected + batch.sum()
  rows.append(expected)
assert len(jax.devices()) == 4
for how in ('jit', 'pmap'):
  compiled = parallel.compile_step(
    functools.partial(step, how), batch_size=8, how=how, several=True)
  state = jax.device_put(np.zeros((), np.float32), compiled.replicated)
  state, metrics = compiled.step(state, {'x': x})
  np.testing.assert_allclose(state, expected, rtol=1e-5)
  np.testing.assert_allclose(metrics['state'], rows, rtol=1e-5)
print('equal')
"""


# Flips one bit of one copy, as a faulty device does.
APART = """
import pathlib
import tempfile
import jax, numpy as np
import pytest
from tests import small
from vaegan_jax.distributed import replicas
from vaegan_jax.training import monitor, setup

run = setup.prepare(small.config())
state = run.initialise()
assert replicas.differing(state) == ()
leaves, structure = jax.tree.flatten(state)
spoilt = max(range(len(leaves)), key=lambda i: leaves[i].size)
parts = [np.array(shard.data) for shard in leaves[spoilt].addressable_shards]
parts[2].view(np.uint32).flat[7] ^= 1
leaves[spoilt] = jax.make_array_from_single_device_arrays(
  leaves[spoilt].shape,
  leaves[spoilt].sharding,
  jax.device_put(parts, jax.devices()),
)
state = jax.tree.unflatten(structure, leaves)
assert replicas.differing(state) == (2,)
with tempfile.TemporaryDirectory() as folder:
  watch = monitor.Monitor(
    small.config(), pathlib.Path(folder), step=0, images=20
  )
  with pytest.raises(monitor.Diverged, match='device 2 differs'):
    watch.check_state(state, step=1)
  watch.close()
print('found')
"""


def test_a_device_that_has_another_state_is_found_before_it_is_saved():
  assert devices.run(APART, count=4) == 'found\n'


@pytest.mark.parametrize(
  'normalisation',
  ['joint', pytest.param('separate', marks=pytest.mark.slow)],
)
def test_jit_and_pmap_on_one_and_four_devices_agree(normalisation):
  assert devices.run(PROGRAM, normalisation, count=4).endswith('equal\n')


@pytest.mark.slow
def test_jit_and_pmap_agree_on_one_two_and_four_devices():
  printed = devices.run(PROGRAM, 'all', count=4)
  print(printed)
  assert printed.count('apart') == 6
  assert printed.endswith('equal\n')


def test_several_steps_in_one_call_take_each_batch_in_turn():
  assert devices.run(SEVERAL, count=4) == 'equal\n'


def step(state, batch):
  return state + batch.sum(), {}


def test_a_batch_that_devices_cannot_share_is_refused():
  with pytest.raises(ValueError, match='multiple of 2'):
    parallel.compile_step(step, batch_size=5, devices=jax.devices() * 2)


def test_an_unknown_way_to_compile_is_refused():
  with pytest.raises(ValueError, match="'jit' or 'pmap'"):
    parallel.compile_step(step, batch_size=4, how='xmap')
