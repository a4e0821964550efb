"""Collapsed runs are detected and reported; healthy runs are not."""

import logging

import jax.numpy as jnp
import numpy as np
import pytest

from tests import small
from tests.outline import Outline
from tests.report.test_run_page import write_run
from vaegan_jax.config import schema
from vaegan_jax.core import objectives
from vaegan_jax.report import run_page
from vaegan_jax.runs import collapse, config_file
from vaegan_jax.training import monitor

LATENT = 128


def run(steps, *, every=10, decoder=1.0, discriminator=1.0, **metrics):
  """Returns the rows of a run.

  `decoder` and `discriminator` are the shares of steps that update them, and
  each of the metrics is a function of the step.
  """
  metrics = {
    'active_dimensions': lambda step: 60.0,
    'feature_scale': lambda step: 0.3,
    'llike': lambda step: 50.0,
  } | metrics
  return [
    {
      'step': step,
      'encoder/updates': step,
      'decoder/updates': round(decoder * step),
      'discriminator/updates': round(discriminator * step),
      **{name: metric(step) for name, metric in metrics.items()},
    }
    for step in range(every, steps + 1, every)
  ]


def names(rows):
  return [found.name for found in collapse.find(rows, latent=LATENT)]


def test_a_healthy_run_shows_no_collapse_at_any_step():
  # A hard start that recovers: for 400 steps Dis is not updated and no
  # dimension is active, and the features shrink by a factor of 20.
  rows = run(
    1500,
    active_dimensions=lambda step: 0.0 if step <= 400 else 9.0,
    feature_scale=lambda step: max(0.5 - step / 1000, 0.025),
  )
  for row in rows:
    row['discriminator/updates'] = max(0, row['step'] - 400) // 3
  for length in range(0, len(rows) + 1, 3):
    assert names(rows[:length]) == []


def test_a_young_run_shows_no_collapse():
  # The first steps of the paper's config: Dis is not updated, and no dimension
  # is active.
  young = run(499, discriminator=0.0, active_dimensions=lambda step: 0.0)
  assert names(young) == []
  assert names(young[:1]) == names([]) == []


@pytest.mark.parametrize('network', ['decoder', 'discriminator'])
@pytest.mark.parametrize('every', [1, 50, 400])
def test_a_network_that_is_skipped_nearly_always_is_named(network, every):
  rows = run(2400, every=every, **{network: 0.04})
  (found,) = collapse.find(rows, latent=LATENT)
  assert found.name == f'The {network} is hardly ever updated'
  steps = {1: 500, 50: 500, 400: 800}[every]
  assert f'of the last {steps} steps' in found.seen
  assert 'equilibrium rule' in found.meaning
  assert names(run(2400, every=every, **{network: 0.06})) == []


def test_a_network_that_pauses_late_is_named_until_it_recovers():
  rows = run(3000)
  for row in rows:
    row['decoder/updates'] -= min(max(row['step'] - 1000, 0), 1000)
  assert names(rows[:200]) == ['The decoder is hardly ever updated']
  assert names(rows[:100]) == names(rows) == []


def test_features_that_shrink_to_a_hundredth_are_named():
  rows = run(1000, feature_scale=lambda step: 0.3 if step < 900 else 0.0029)
  (found,) = collapse.find(rows, latent=LATENT)
  assert found.name == 'The features of Dis_l have shrunk'
  assert '0.0029, and was 0.3 at step 10' in found.seen
  above = run(1000, feature_scale=lambda s: 0.3 if s < 900 else 0.01)
  assert names(above) == []


def test_negligible_features_are_named_unless_in_a_single_row():
  shrunk = ['The features of Dis_l have shrunk']
  assert names(run(100, feature_scale=lambda step: 1e-5)) == shrunk
  assert names(run(990, feature_scale=lambda s: 1e-6 * (s == 990))) != []
  assert names(run(990, feature_scale=lambda s: 1e-6 if s == 990 else 1)) == []


def test_the_features_of_a_gan_may_shrink():
  rows = run(1000, feature_scale=lambda step: 1e-9)
  for row in rows:
    del row['llike'], row['active_dimensions']
  assert names(rows) == []


def test_dead_dimensions_are_named_but_some_inactive_ones_are_not():
  rows = run(1000, active_dimensions=lambda step: 6.0 * (step > 10))
  (found,) = collapse.find(rows, latent=LATENT)
  assert found.name == 'The latent dimensions are dead'
  assert 'at most 6 of 128' in found.seen
  assert 'Some inactive dimensions are normal' in found.meaning
  assert names(run(1000, active_dimensions=lambda step: 7.0)) == []
  once = run(1000, active_dimensions=lambda step: 60.0 * (step == 700))
  assert names(once) == []


def test_rows_without_diagnostics_show_skipped_updates_only():
  rows = run(1000, discriminator=0.0)
  for row in rows:
    del row['feature_scale'], row['active_dimensions']
  assert names(rows) == ['The discriminator is hardly ever updated']


def test_relevant_rows_show_the_same_collapse_as_all_rows():
  draw = np.random.default_rng(0)
  for every, count in ((3, 200), (30, 40), (700, 20)):
    rows = run(count * every, every=every)
    scale = 1.0
    for row in rows:
      scale *= draw.choice([1.0, 0.8])
      row['feature_scale'] = scale
      row['active_dimensions'] = float(draw.integers(0, 9))
      row['decoder/updates'] = int(0.05 * row['step'] + draw.integers(0, 3))
    kept = []
    for i, row in enumerate(rows):
      kept = collapse.relevant([*kept, row])
      everything = collapse.find(rows[: i + 1], latent=LATENT)
      assert collapse.find(kept, latent=LATENT) == everything
    assert len(kept) <= 10 + collapse.WINDOW / every


def observe(folder, steps, *, start=0, **metrics):
  config = small.config(steps=3000, log_every=10)
  watch = monitor.Monitor(config, folder, step=start, images=20)
  metrics = {name: jnp.float32(x) for name, x in metrics.items()}
  for step in range(start + 10, steps + 1, 10):
    watch.record(metrics, step=step)
  watch.flush()
  watch.close()


def test_a_warning_is_logged_once_with_its_meaning_and_remedy(tmp_path, caplog):
  observe(tmp_path, 600, active_dimensions=0.0)
  (record,) = caplog.records
  assert record.levelno == logging.WARNING
  text = record.getMessage()
  assert text.startswith('Step 500: The latent dimensions are dead.')
  assert 'posterior collapse' in text
  assert 'config.gamma' in text


def test_a_resumed_run_compares_with_its_first_rows(tmp_path, caplog):
  observe(tmp_path, 100, feature_scale=0.5, llike=1.0)
  observe(tmp_path, 200, feature_scale=0.001, llike=1.0, start=100)
  (record,) = caplog.records
  text = record.getMessage()
  assert text.startswith('Step 130: The features of Dis_l have shrunk. ')
  assert 'was 0.5 at step 10' in text


def test_the_report_shows_warnings_with_their_meaning(tmp_path):
  write_run(tmp_path, whole=False)
  settings = schema.flatten(config_file.read(tmp_path).to_dict())

  def render(rows):
    text = run_page.render(settings, rows, timing=[], folder=tmp_path)
    return Outline(text).text()

  assert 'collapsed' not in render(run(1000))
  rows = run(1000, decoder=0.0, feature_scale=lambda step: 1 / step**3)
  sick = render(rows)
  assert sick.index('Part of this run has collapsed') < sick.index(
    'Held-out images'
  )
  for found in collapse.find(rows, latent=LATENT):
    for words in (found.name, found.seen, found.meaning, found.remedy):
      assert words in sick
  assert sick.count('What it means') == 2


def test_dimensions_are_active_above_a_hundredth_of_a_nat():
  at = np.array([0.0, 0.009, 0.011, 3.0, np.nan], np.float32)
  diagnostics = objectives.Diagnostics(jnp.asarray(at), jnp.float32(9.0))
  assert diagnostics.metrics() == {'active_dimensions': 2, 'feature_scale': 3}
