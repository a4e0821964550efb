"""Plans of several numbers of chips are compared as what they are."""

import pytest

from benchmarks import scaling


def row(chips, batch_size, seconds):
  return {
    'topology': f'v5e:{chips}',
    'chips': chips,
    'batch_size': batch_size,
    'memory': {'total': 2e9},
    'flops': 1e12,
    'hbm_bytes': 3e9,
    'feed_hbm_bytes': 1e9,
    'collective_bytes_sent': 2e8,
    'least_seconds': {
      'compute': 0.004,
      'memory': 0.005,
      'exchange': seconds - 0.005,
      'total': seconds,
    },
    'images_per_second': batch_size / seconds,
  }


ROWS = [
  row(16, 1024, 0.01),
  row(4, 256, 0.008),
  row(4, 1024, 0.032),
  row(8, 8, 0.01),
]


def test_weak_has_equal_images_a_chip_and_strong_an_equal_batch():
  curves = scaling.curves(ROWS)
  assert {
    name: [(each['chips'], each['batch_size']) for each in group]
    for name, group in curves.items()
  } == {
    'weak: 64 images a chip': [(4, 256), (16, 1024)],
    'strong: 1024 images': [(4, 1024), (16, 1024)],
  }


def test_efficiency_is_of_the_fewest_chips():
  weak = scaling.curves(ROWS)['weak: 64 images a chip']
  assert scaling.efficiency(weak) == pytest.approx([1, 0.8])


def test_a_table_has_a_row_of_each_plan_and_the_picture_is_drawn(tmp_path):
  lines = scaling.table(ROWS).splitlines()
  assert len(lines) == 2 + len(ROWS)
  assert len({line.count('|') for line in lines}) == 1
  assert '| 16 | 1,024 | 64 | 2.00 | 1,000 | 4.00 | 200 | 4.00 ' in lines[2]
  scaling.draw(ROWS, tmp_path / 'picture.png')
  assert (tmp_path / 'picture.png').stat().st_size > 10_000
