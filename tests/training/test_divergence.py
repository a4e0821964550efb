"""Whatever is not finite, wherever it comes from, stops a run before a save."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests import small
from vaegan_jax.core import architecture, train_state
from vaegan_jax.data import batches, cache
from vaegan_jax.runs import records
from vaegan_jax.training import loop, monitor, setup

IMAGES = 20


@pytest.fixture(scope='module')
def config():
  """Gives a VAE/GAN that is compiled fast."""
  return small.config(
    joint_normalisation=True,
    non_saturating=False,
    data__flips=False,
    data__jitter=False,
    picture_every=100,
  )


@pytest.fixture(scope='module')
def run(config):
  """Prepares it, with a state that is not worth compiling."""
  run = setup.prepare(config)
  types = run.abstract_state

  def initialise():
    draw = np.random.default_rng(0)
    state = jax.tree.map(
      # Second moments among them: positive.
      lambda x: draw.uniform(0.05, 0.15, x.shape).astype(x.dtype),
      types.replace(key=()),
    )
    state = state.replace(key=jax.random.key(0))
    return jax.device_put(state, run.compiled.replicated)

  return run._replace(initialise=initialise)


@pytest.fixture(scope='module')
def start(run):
  return run.initialise()


def poison(state, *, network, part, value):
  """Puts a value into one number of a network."""
  leaves, tree = jax.tree.flatten(getattr(state.networks[network], part))
  # The last of the largest: a kernel, or its second moment.
  i = max(range(len(leaves)), key=lambda i: (leaves[i].size, i))
  changed = np.array(leaves[i])
  changed.flat[0] = value
  leaves[i] = jax.device_put(changed, leaves[i].sharding)
  changed = state.networks[network].replace(**{part: tree.unflatten(leaves)})
  return state.replace(networks=state.networks | {network: changed})


def noise(source, *, split, **_):
  """Gives images that need not be drawn."""
  draw = np.random.default_rng(0)
  pixels = draw.integers(0, 256, (IMAGES, 16, 16, 3), np.uint8)
  return cache.Dataset(pixels, None, (), source.name, split, 'noise')


def seen(config, step):
  rows = batches.indices(
    seed=config.seed,
    step=step - 1,
    batch_size=config.batch_size,
    length=IMAGES,
  )
  return f'at {rows.tolist()}'


@pytest.mark.parametrize(
  ('network', 'value', 'step'),
  [
    (network, value, step)
    for (network, value), step in zip(
      itertools.product(architecture.NAMES, (np.nan, np.inf)),
      (1, 2, 3, 4, 5, 5),
      strict=True,
    )
  ],
)
def test_a_poisoned_network_stops_the_run_by_name_step_and_images(
  tmp_path, monkeypatch, config, run, network, value, step
):
  calls = []

  def poisoned(state, batch):
    calls.append(int(state.step) + 1)
    if calls[-1] == step:
      state = poison(state, network=network, part='params', value=value)
    return run.compiled.step(state, batch)

  patched = run._replace(compiled=run.compiled._replace(step=poisoned))
  monkeypatch.setattr(setup, 'prepare', lambda *_, **__: patched)
  monkeypatch.setattr(cache, 'load', noise)
  with pytest.raises(monitor.Diverged) as error:
    loop.train(config, tmp_path)
  message = str(error.value)
  assert f' at step {step},' in message
  assert f'{network}/gradient_norm' in message
  assert seen(config, step) in message
  assert '\n' not in message
  assert calls[-1] <= step + 1
  kept = {int(path.name) for path in (tmp_path / 'checkpoints').glob('[0-9]*')}
  assert kept == {saved for saved in (2, 4) if saved < step}
  rows = records.read_rows(tmp_path / records.METRICS)
  assert [row['step'] for row in rows] == list(range(1, step))


PARTS = [
  (network, part)
  for network in architecture.NAMES
  for part in ('params', 'batch_stats', 'opt_state')
] + [('decoder', 'average')]


@pytest.mark.parametrize('value', [np.nan, -np.inf])
def test_every_part_that_is_not_finite_is_named(start, value):
  assert train_state.not_finite(start) == ()
  broken = start
  for i, (network, part) in enumerate(PARTS):
    one = poison(start, network=network, part=part, value=value)
    assert train_state.not_finite(one) == (f'{network}/{part}',)
    broken = poison(broken, network=network, part=part, value=value)
    assert len(train_state.not_finite(broken)) == i + 1


@pytest.mark.parametrize(
  ('network', 'part'),
  [
    ('encoder', 'opt_state'),
    ('decoder', 'average'),
    ('discriminator', 'batch_stats'),
  ],
)
def test_a_fault_that_no_loss_shows_is_found_before_the_state_is_saved(
  tmp_path, config, run, start, network, part
):
  watch = monitor.Monitor(
    config, tmp_path, step=0, images=IMAGES, timer=small.timer()
  )
  pixels = np.zeros((8, 16, 16, 3), np.uint8)
  batch = batches.Batch(jax.device_put(pixels, run.compiled.sharded), None)
  broken = poison(start, network=network, part=part, value=np.inf)
  # A copy: the step takes the memory of its state.
  state, metrics = run.compiled.step(jax.tree.map(jnp.copy, broken), batch)
  watch.record(metrics, step=1)
  with pytest.raises(
    monitor.Diverged, match=f'^{network}/{part} is not finite after step 1'
  ) as error:
    watch.check_state(state, step=1)
  assert seen(config, 1) in str(error.value)
  watch.close()
  # The losses were finite, and are logged.
  assert len(records.read_rows(tmp_path / records.METRICS)) == 1


def test_a_finite_state_is_approved(tmp_path, start):
  watch = monitor.Monitor(
    small.config(), tmp_path, step=0, images=IMAGES, timer=small.timer()
  )
  watch.check_state(start, step=2)
  watch.close()


def test_of_a_large_batch_the_message_names_the_first_images(tmp_path):
  config = small.config(batch_size=640)
  watch = monitor.Monitor(
    config, tmp_path, step=0, images=100_000, timer=small.timer()
  )
  watch.record({'prior': jnp.float32(jnp.nan)}, step=1)
  with pytest.raises(monitor.Diverged, match='first 64 of 640') as error:
    watch.flush()
  watch.close()
  assert len(str(error.value)) < 1500
