"""Chunks of one size give the results of one call."""

import jax
import numpy as np
import pytest

from vaegan_jax.data import chunks


@pytest.mark.parametrize('count', [0, 1, 3, 4, 5, 8])
def test_results_equal_those_of_one_call(count):
  x = np.arange(count * 2.0).reshape(count, 2)
  y = np.arange(count)
  sizes = set()

  def function(x, y):
    sizes.add((len(x), len(y)))
    return {'sum': x.sum(1) + y, 'pair': (x, y)}

  found = chunks.apply(function, (x, y), size=4)
  jax.tree.map(
    np.testing.assert_array_equal, found, {'sum': x.sum(1) + y, 'pair': (x, y)}
  )
  assert sizes == {(4, 4)}


def test_copies_of_the_last_row_pad_the_last_call():
  calls = []

  def function(x):
    calls.append(list(x))
    return x

  chunks.apply(function, (np.arange(5),), size=3)
  assert calls == [[0, 1, 2], [3, 4, 4]]
