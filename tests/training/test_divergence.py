"""A NaN or infinity in any network stops a run before it is saved."""

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
  """Returns a VAE/GAN that compiles fast."""
  return small.config(
    joint_normalisation=True,
    non_saturating=False,
    data__flips=False,
    data__jitter=False,
    picture_every=100,
  )


@pytest.fixture(scope='module')
def run(config):
  """Returns its run, with an initial state that need not be compiled."""
  run = setup.prepare(config)

  def initialise():
    draw = np.random.default_rng(0)
    state = jax.tree.map(
      # Positive, as second moments are.
      lambda x: draw.uniform(0.05, 0.15, x.shape).astype(x.dtype),
      run.abstract_state.replace(key=()),
    )
    state = state.replace(key=jax.random.key(0))
    return jax.device_put(state, run.compiled.replicated)

  return run._replace(initialise=initialise)


@pytest.fixture(scope='module')
def start(run):
  return run.initialise()


def poison(state, *, network, part, value):
  """Sets one number of a network to a value."""
  leaves, tree = jax.tree.flatten(getattr(state.networks[network], part))
  # The last of the largest: a kernel, or its second moment.
  i = max(range(len(leaves)), key=lambda i: (leaves[i].size, i))
  changed = np.array(leaves[i])
  changed.flat[0] = value
  leaves[i] = jax.device_put(changed, leaves[i].sharding)
  changed = state.networks[network].replace(**{part: tree.unflatten(leaves)})
  return state.replace(networks=state.networks | {network: changed})


def images_of(config, step):
  """Returns how a message lists the images of a step."""
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
    (*case, step)
    for case, step in zip(
      itertools.product(architecture.NAMES, (np.nan, np.inf)),
      (1, 2, 3, 4, 5, 5),
      strict=True,
    )
  ],
)
def test_a_nan_stops_the_run_by_network_step_and_images(
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
  monkeypatch.setattr(cache, 'load', lambda *_, **__: small.noise())
  with pytest.raises(monitor.Diverged) as error:
    loop.train(config, tmp_path)
  message = str(error.value)
  assert f' at step {step} (also' in message
  assert f'{network}/gradient_norm' in message
  assert images_of(config, step) in message
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
def test_every_part_with_a_nan_or_infinity_is_named(start, value):
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
def test_an_infinity_that_no_loss_shows_is_found_before_the_save(
  tmp_path, config, run, start, network, part
):
  watch = monitor.Monitor(config, tmp_path, step=0, images=IMAGES)
  pixels = np.zeros((8, 16, 16, 3), np.uint8)
  batch = batches.Batch(jax.device_put(pixels, run.compiled.sharded), None)
  broken = poison(start, network=network, part=part, value=np.inf)
  # A copy, as the step takes the memory of its state.
  state, metrics = run.compiled.step(jax.tree.map(jnp.copy, broken), batch)
  watch.record(metrics, step=1)
  with pytest.raises(
    monitor.Diverged,
    match=f'^{network}/{part}: NaN or infinity after step 1',
  ) as error:
    watch.check_state(state, step=1)
  assert images_of(config, 1) in str(error.value)
  watch.close()
  # The losses were finite, and are logged.
  assert len(records.read_rows(tmp_path / records.METRICS)) == 1


def test_a_finite_state_passes(tmp_path, start):
  watch = monitor.Monitor(small.config(), tmp_path, step=0, images=IMAGES)
  watch.check_state(start, step=2)
  watch.close()


def test_the_message_lists_the_first_images_of_a_large_batch(tmp_path):
  config = small.config(batch_size=640)
  watch = monitor.Monitor(config, tmp_path, step=0, images=100_000)
  watch.record({'prior': jnp.float32(jnp.nan)}, step=1)
  with pytest.raises(monitor.Diverged, match='first 64 of 640') as error:
    watch.flush()
  watch.close()
  assert len(str(error.value)) < 1500
