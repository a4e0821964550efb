import numpy as np
import pytest

from vaegan_jax.report import figures, run_figures


def test_strips_are_found_by_prefix_and_ordered_by_step(tmp_path):
  for step in (100, 9, 30):
    for prefix, value in (('samples', step), ('reconstructions', 200)):
      strip = np.full((4, 4, 3), value, np.uint8)
      figures.save(tmp_path / f'{prefix}_{step:08d}.png', strip)
  figures.save(tmp_path / 'samples.png', strip)
  found = run_figures.load_strips(tmp_path, prefix='samples')
  assert [step for step, _ in found] == [9, 30, 100]
  assert [strip.mean() for _, strip in found] == [9, 30, 100]


def test_steps_are_chosen_in_geometric_progression():
  steps = run_figures.choose_steps(range(500, 37_501, 500), count=8)
  assert steps[0] == 500
  assert steps[-1] == 37_500
  assert 6 <= len(steps) <= 8
  ratios = np.array(steps[1:]) / steps[:-1]
  assert ratios.max() / ratios.min() < 1.6


@pytest.mark.parametrize('steps', [[], [0], [7], [0, 1, 5], [3, 2, 1]])
def test_few_steps_are_all_kept(steps):
  assert run_figures.choose_steps(steps, count=8) == sorted(steps)


def test_step_zero_is_not_counted():
  assert run_figures.choose_steps(range(0, 1000, 10), count=4)[:2] == [0, 10]


def test_a_count_below_two_is_refused():
  with pytest.raises(ValueError, match='count = 1'):
    run_figures.choose_steps([1, 2], count=1)


def test_attributes_are_described_as_flags_or_by_their_largest_scores():
  names = ('Male', 'Smiling', 'Young')
  flags = np.array([[1, 0, 1], [0, 0, 0]], np.int8)
  assert run_figures.describe(flags, names) == ['Male, Young', 'none']
  scores = np.array([[0.5, -1.25, 0.126]])
  expected = ['Smiling -1.25, Male 0.50, Young 0.13']
  assert run_figures.describe(scores, names) == expected
