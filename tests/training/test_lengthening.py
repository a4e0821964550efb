"""A run gets more steps; it never loses any, and says where it got them."""

import logging
import shutil

import numpy as np
import pytest

import vaegan_jax
from tests import small
from vaegan_jax.config import build
from vaegan_jax.runs import config_file, records
from vaegan_jax.training import loop, monitor

# A constant learning rate: the schedule does not depend on the steps.
CONSTANT = {
  'optimizer__learning_rate': 5e-4,
  'optimizer__final_learning_rate': 5e-4,
}


@pytest.fixture(scope='module')
def runs(tmp_path_factory, drawn):
  """Runs of 4 steps, of 4 that became 7, and of 7."""
  folder = tmp_path_factory.mktemp('runs')
  loop.train(small.config(drawn, steps=4, **CONSTANT), folder / 'short')
  shutil.copytree(folder / 'short', folder / 'lengthened')
  for name in ('lengthened', 'whole'):
    loop.train(small.config(drawn, steps=7, **CONSTANT), folder / name)
  return folder


def test_a_lengthened_run_equals_one_that_was_as_long_from_the_start(runs):
  small.assert_equal_runs(runs / 'lengthened', runs / 'whole')
  assert config_file.read(runs / 'lengthened').steps == 7


def test_a_model_is_loaded_from_the_run_or_from_any_of_its_checkpoints(runs):
  run = runs / 'lengthened'
  codes = np.zeros((1, 5), np.float32)
  newest, older = (
    vaegan_jax.load(path) for path in (run, run / 'checkpoints' / '4')
  )
  assert (newest.step, older.step) == (7, 4)
  short = vaegan_jax.load(runs / 'short')
  np.testing.assert_array_equal(older.decode(codes), short.decode(codes))
  with pytest.raises(FileNotFoundError, match='checkpoints/5 does not exist'):
    vaegan_jax.load(run / 'checkpoints' / '5')


def test_the_starts_and_the_report_say_where_a_run_was_lengthened(runs):
  starts = records.read_rows(runs / 'lengthened' / records.STARTS)
  assert [(row['step'], row['steps']) for row in starts] == [(0, 4), (4, 7)]
  assert records.lengthenings(starts) == [(4, 4, 7)]
  page = (runs / 'lengthened' / 'report.html').read_text()
  assert 'Lengthened at step 4' in page
  assert '4 to 7 steps' in page
  assert 'Lengthened at' not in (runs / 'whole' / 'report.html').read_text()


@pytest.mark.parametrize(
  ('changes', 'message'),
  [
    ({'steps': 3}, r'config\.steps: 4 there, 3 here'),
    ({'steps': 8, 'gamma': 7.0}, r'config\.gamma: 0\.7 there, 7\.0 here'),
    ({'steps': 8, 'seed': 1}, r'config\.seed: 0 there, 1 here'),
  ],
)
def test_fewer_steps_and_other_settings_are_refused(
  runs, drawn, changes, message
):
  config = small.config(drawn, **{**CONSTANT, **changes})
  before = (runs / 'short' / 'config.json').read_bytes()
  with pytest.raises(ValueError, match=message):
    loop.train(config, runs / 'short')
  assert (runs / 'short' / 'config.json').read_bytes() == before


def test_a_checkpoint_beyond_the_last_step_is_refused(runs, drawn, tmp_path):
  shutil.copytree(runs / 'short', tmp_path / 'run')
  (tmp_path / 'run' / 'config.json').unlink()
  with pytest.raises(ValueError, match=r'steps = 3: .* is at step 4 already'):
    loop.train(small.config(drawn, steps=3, **CONSTANT), tmp_path / 'run')


def test_only_training_lengthens_a_run(tmp_path):
  config_file.write(tmp_path, small.config(steps=4))
  longer = small.config(steps=5)
  with pytest.raises(ValueError, match=r'config\.steps: 4 there, 5 here'):
    config_file.write(tmp_path, longer)
  config_file.write(tmp_path, longer, lengthens=True)
  assert config_file.read(tmp_path).steps == 5


def test_the_log_says_what_the_learning_rate_does(tmp_path, caplog):
  (tmp_path / records.STARTS).write_text('{"step": 0, "steps": 100}\n')
  caplog.set_level(logging.INFO)
  long = small.config(steps=200)
  monitor.log_lengthening(long, tmp_path, step=100)
  rates = build.schedule(long)(100), build.schedule(small.config(steps=100))(99)
  assert f': {rates[0]:.3g}, after {rates[1]:.3g} at step 100' in caplog.text
  caplog.clear()
  for same in (small.config(steps=100), small.config(steps=50)):
    monitor.log_lengthening(same, tmp_path, step=50)
  assert not caplog.text


@pytest.mark.parametrize(
  ('step', 'stop'), [(0, 5), (5, 10), (7, 10), (10, 12), (11, 12)]
)
def test_dispatches_end_at_multiples_of_their_size_again(step, stop):
  assert loop._stop(step, small.config(steps=12, steps_per_dispatch=5)) == stop
