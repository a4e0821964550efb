"""Several steps in one dispatch: the same run, resumed and stopped alike."""

import shutil

import jax.numpy as jnp
import pytest

from tests import small
from vaegan_jax.runs import records
from vaegan_jax.training import loop, monitor


def config(cache, steps_per_dispatch):
  """Returns six steps in dispatches of four and of two, quick to compile."""
  return small.config(
    cache,
    model='vae',
    steps=6,
    steps_per_dispatch=steps_per_dispatch,
    save_every=4,
    picture_every=4,
    **small.CALM,
  )


@pytest.fixture(scope='module')
def folder(tmp_path_factory, drawn):
  """Runs of single steps, of four a dispatch, and one of these resumed."""
  folder = tmp_path_factory.mktemp('runs')
  for name, steps_per_dispatch in (('single', 1), ('whole', 4)):
    loop.train(config(drawn, steps_per_dispatch), folder / name)
  shutil.copytree(folder / 'whole', folder / 'cut')
  shutil.rmtree(folder / 'cut' / 'checkpoints' / '6')
  loop.train(config(drawn, 4), folder / 'cut')
  return folder


def read_rows(workdir):
  return records.read_rows(workdir / records.METRICS)


def test_four_steps_a_dispatch_equal_single_steps_to_rounding(folder):
  single, whole = read_rows(folder / 'single'), read_rows(folder / 'whole')
  assert [row['step'] for row in whole] == [1, 2, 3, 4, 5, 6]
  # Not bit for bit: XLA compiles the body of a loop differently.
  losses, norms = small.apart(single, whole)
  assert losses < 1e-5
  assert norms < 1e-2


def test_a_run_resumed_between_dispatches_is_equal_bit_for_bit(folder):
  small.assert_equal_runs(folder / 'whole', folder / 'cut')


def start_monitor(folder, **changes):
  settings = small.config(
    steps=40, steps_per_dispatch=4, save_every=4, picture_every=4, **changes
  )
  return monitor.Monitor(settings, folder, step=4, images=20)


def test_a_nan_is_named_by_its_step_within_the_dispatch(tmp_path):
  watch = start_monitor(tmp_path)
  watch.record({'llike': jnp.array([1.0, 2.0, jnp.nan, 3.0])}, step=8)
  with pytest.raises(monitor.Diverged, match='llike is nan at step 7'):
    watch.record({'llike': jnp.ones(4)}, step=12)
  watch.close()
  assert [row['step'] for row in read_rows(tmp_path)] == [5, 6]


def test_any_step_within_a_dispatch_can_be_logged(tmp_path):
  watch = start_monitor(tmp_path, log_every=3)
  for step in (8, 12, 16):
    watch.record({'llike': jnp.arange(step - 3.0, step + 1)}, step=step)
  watch.flush()
  watch.close()
  logged = [(row['step'], row['llike']) for row in read_rows(tmp_path)]
  assert logged == [(6, 6), (9, 9), (12, 12), (15, 15)]
