"""The page's benchmark runs."""

import numpy as np

from benchmarks import explore
from tests import browser, small
from tests.report import test_explore_page
from vaegan_jax.report import explore_page


def test_pictures_and_codes_a_second_are_counted(tmp_path):
  with browser.launch():  # skips where there is no browser
    pass
  model, _ = test_explore_page.make_model('colour')
  path = explore_page.write(
    tmp_path / 'explore.html',
    model,
    test_explore_page.SETTINGS,
    held_out=small.noise(),
  )
  rates = explore.measure(path, seconds=0.1, rounds=2)
  assert rates.keys() == {'pictures', 'codes'}
  assert all(len(found) == 2 for found in rates.values())
  assert np.min([*rates.values()]) > 20
