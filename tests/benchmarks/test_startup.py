"""What the timing of the start rests on."""

import numpy as np
import pytest

from benchmarks import jpegs, startup
from vaegan_jax.data.sources import celeba


def test_drawn_images_are_read_as_celebas(tmp_path):
  jpegs.write(tmp_path / 'drawn', images=20)
  source = celeba.CelebA(tmp_path / 'drawn', (16, 16))
  assert [source.length(split) for split in ('train', 'test')] == [18, 2]
  first, second = source.read('test', 0, 2)
  assert first.std() > 10
  assert not np.array_equal(first, second)


@pytest.mark.parametrize(
  ('unit', 'values', 'met'),
  [
    ('s', [1.0, 1.9, 9.0], True),
    ('s', [1.0, 2.1, 3.0], False),
    ('images/s', [2.1, 9.0, 1.0], True),
    ('images/s', [1.0, 1.9, 9.0], False),
  ],
)
def test_a_goal_is_met_by_the_median_on_the_right_side(unit, values, met):
  figure = startup.Figure('it', unit, values, 2)
  assert figure.met() is met
  assert ('MISSED' in figure.line()) is not met
  assert figure._replace(goal=None).met() is None


def test_every_way_of_feeding_is_timed():
  figures = list(startup.time_batches(sizes=(4, 8), images=16, rounds=2))
  assert len({figure.name for figure in figures}) == 4
  assert all(min(figure.values) > 0 for figure in figures)
  assert all(len(figure.values) == 2 for figure in figures)
