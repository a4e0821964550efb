import numpy as np
import pytest

from vaegan_jax.core import metrics
from vaegan_jax.report import curves


def rows_of(count, **columns):
  return [
    {'step': 10 * (i + 1)} | {k: v[i] for k, v in columns.items()}
    for i in range(count)
  ]


def test_only_logged_metrics_are_drawn():
  rows = rows_of(4, prior=[1.0, 2.0, 3.0, 4.0], real=[None] * 4)
  assert list(curves.draw(rows)) == ['prior']


def test_a_whole_run_has_every_curve():
  logged = {metric.name: 5.0 for metric in metrics.METRICS}
  charts = curves.draw([{'step': 10} | logged], band=(0.3, 1.0))
  assert list(charts) == [
    'discriminator',
    'generation',
    'prior',
    'llike',
    'active_dimensions',
    'feature_scale',
    'gradient_norms',
    'learning_rate',
    'updates',
  ]
  for chart in charts.values():
    assert chart.picture.dtype == np.uint8
    assert 0 < (chart.picture < 128).mean() < 0.2, 'dark on white'


def test_without_rows_there_is_no_curve():
  assert curves.draw([]) == curves.describe([]) == {}


def test_the_later_row_of_a_step_is_drawn():
  rows = rows_of(3, prior=[1.0, 2.0, 3.0])
  stale = [{'step': 30, 'prior': 99.0}]
  again = curves.draw(rows[:2] + stale + rows[2:])
  np.testing.assert_array_equal(
    again['prior'].picture, curves.draw(rows)['prior'].picture
  )


def test_the_band_is_drawn_for_the_discriminator():
  rows = rows_of(2, real=[0.2, 1.4])
  with_band = curves.draw(rows, band=(0.33, 1.03))['discriminator'].picture
  assert (with_band != curves.draw(rows)['discriminator'].picture).any()


@pytest.mark.parametrize('value', [np.nan, np.inf])
def test_a_nan_or_infinity_leaves_a_gap_and_a_note(value):
  smooth = curves.draw(rows_of(3, prior=[1.0, 2.0, 3.0]))['prior'].picture
  broken = curves.draw(rows_of(3, prior=[1.0, value, 3.0]))['prior'].picture
  reddish = lambda x: (x[..., 0] > x[..., 1].astype(int) + 80).sum()  # noqa: E731
  assert reddish(broken) > reddish(smooth) == 0


def test_alt_texts_name_the_lines_and_their_ends():
  rows = rows_of(3, real=[np.nan, 0.25, 0.5], generated=[1.0, 2.0, 3.0])
  assert curves.describe(rows) == {
    'discriminator': 'Line chart over steps 10 to 30. Cross entropies of Dis: '
    'real from 0.25 to 0.5; generated from 1 to 3.'
  }


def test_the_share_counts_updates_between_rows():
  steps = np.array([100, 200, 250])
  updates = np.array([50.0, 150.0, 150.0])
  assert curves.update_share(steps, updates).tolist() == [0.5, 1.0, 0.0]


@pytest.mark.parametrize(
  ('values', 'expected'),
  [
    (np.where(np.arange(200) % 10, 3.0, 1e6), np.full(200, 3.0)),
    (np.where(np.arange(200) == 5, np.nan, 3.0), np.full(200, 3.0)),
    (np.array([5.0, 1.0, 9.0]), np.array([5.0, 1.0, 9.0])),
    (np.full(9, np.nan), np.full(9, np.nan)),
  ],
  ids=['spikes', 'nan', 'few rows', 'only nan'],
)
def test_the_median_leaves_out_spikes_and_nan(values, expected):
  medians = curves.running_median(values, centres=np.arange(len(values)))
  np.testing.assert_array_equal(medians, expected)


def test_the_median_follows_a_straight_line_to_its_ends():
  values = np.arange(500.0)
  medians = curves.running_median(values, centres=np.arange(500))
  np.testing.assert_allclose(medians, values, atol=2.5)
  np.testing.assert_array_equal(medians[10:-10], values[10:-10])


def test_equal_lines_share_one_label():
  line = np.array([1.0, 1.0])
  lines = {
    'encoder/updates': line,
    'decoder/updates': line.copy(),
    'discriminator/updates': 0.5 * line,
  }
  labels = [label for label, _, _ in curves._merge(lines)]
  assert labels == ['encoder\ndecoder', 'discriminator']


def test_a_pointer_reads_the_values_of_a_chart_where_they_are_drawn():
  rows = rows_of(3, real=[0.5, 0.25, 1.0], generated=[1.5, 2.0, 1 / 3])
  chart = curves.draw(rows)['discriminator']
  assert chart.readings[1].lines == ['step 20', 'real 0.25', 'generated 2']
  # Columns meet halfway between the steps 10, 20 and 30.
  lefts = [reading.left for reading in chart.readings]
  rights = [reading.left + reading.width for reading in chart.readings]
  np.testing.assert_allclose(rights[:-1], lefts[1:], atol=0.02)
  span = rights[-1] - lefts[0]
  places = [(x - lefts[0]) / span for x in lefts]
  np.testing.assert_allclose(places, [0, 15 / 30, 25 / 30], atol=1e-3)
  # The axis is the long dark line at the bottom.
  dark = (chart.picture.max(-1) < 160).sum(1).argmax()
  [columns] = np.nonzero(chart.picture[dark].max(-1) < 160)
  ends = 100 * columns[[0, -1]] / chart.picture.shape[1]
  np.testing.assert_allclose([lefts[0], rights[-1]], ends, atol=1)


def test_long_runs_have_a_hundred_readings():
  rows = rows_of(1000, prior=np.arange(1000.0))
  readings = curves.draw(rows)['prior'].readings
  assert len(readings) == 100
  assert readings[-1].lines == ['step 10,000', 'L_prior 999']
