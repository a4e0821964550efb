"""The benchmark names every failure and computes its figures correctly."""

import json

import pytest

from benchmarks import contestants, measurements, picture, step, workers

CASE = measurements.Case(64, 16)


def test_an_unknown_contestant_is_refused_with_the_nearest():
  with pytest.raises(ValueError, match=r"'torhc'.*did you mean torch"):
    contestants.parse(['ours', 'torhc'])
  assert contestants.parse(['all']) == list(contestants.CONTESTANTS)


@pytest.mark.parametrize(
  ('sizes', 'batches', 'named'),
  [
    (['60'], ['4'], "--sizes has '60'"),
    (['64'], ['1'], "--batches has '1'"),
    (['64'], ['many'], "--batches has 'many'"),
  ],
)
def test_unsupported_sizes_are_refused(sizes, batches, named):
  with pytest.raises(ValueError, match=named):
    step.read_cases(sizes, batches)


class Fake:
  """A contestant that takes no time; some fail, at once or in a turn."""

  about = {'flops': 8e9, 'measured_bytes': 4e6}  # noqa: RUF012
  steps = 1

  def __init__(self, name, *, size, batch):
    self.failure, self.breaks = '', name == 'pythae'
    if name == 'torch-compile':
      raise workers.Failed('no compiler')

  def __call__(self):
    if self.breaks:
      self.failure = 'out of memory'

  def close(self):
    """Has no process."""


def test_failures_are_named_and_the_others_are_timed(monkeypatch):
  monkeypatch.setattr(workers, 'Runner', Fake)
  names = ['ours', 'torch-compile', 'pythae', 'torch']
  rows, failed = measurements.measure(names, CASE, rounds=3)
  assert [(row['contestant'], len(row['all_seconds'])) for row in rows] == [
    ('ours', 3),
    ('torch', 3),
  ]
  assert failed == {'torch-compile': 'no compiler', 'pythae': 'out of memory'}


def test_an_error_in_a_contestants_process_is_one_line():
  with pytest.raises(workers.Failed, match=r"^KeyError: 'nobody'$"):
    workers.Runner('nobody', size=8, batch=2)


def rows():
  return measurements.compare(
    [
      measurements.row(name, CASE, seconds=seconds, about=about)
      for name, seconds, about in (
        ('ours', [2.0, 1.0, 4.0], Fake.about),
        ('torch', [3.0, 3.0, 3.0], {}),
        ('pythae', [5.0], {}),
      )
    ]
  )


def test_rows_have_rates_and_ratios():
  ours, torch, pythae = rows()
  assert ours['images_per_second'] == 8
  assert ours['bytes_per_image'] == 250_000
  assert torch['times_ours'] == 1.5
  assert torch['flops_per_second'] == 8e9 / 3
  # A different step, whose operations are not counted.
  assert 'flops_per_second' not in pythae
  assert '1000.0-4000.0' in measurements.table([ours, torch, pythae])


def test_rows_become_json_and_a_picture(tmp_path):
  json.dumps(rows())
  picture.draw(rows(), tmp_path / 'step.png', machine=step.machine())
  assert (tmp_path / 'step.png').stat().st_size > 1000
