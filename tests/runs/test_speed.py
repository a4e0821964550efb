import pytest

from vaegan_jax.runs import speed

START = {'step': 0}


def row(step, seconds, device='cpu'):
  return {
    'step': step,
    'seconds': seconds,
    'images_per_second': 7.0,
    'device': device,
  }


def test_compilation_is_not_counted_in_the_speed():
  timing = [row(10, 60.0), row(20, 61.0), row(30, 62.0)]
  assert speed.summarise(timing, [START], batch_size=8).images_per_second == 80


@pytest.mark.parametrize('slow', [4.0, 104.0])  # also later than the last row
def test_the_seconds_of_all_starts_are_added(slow):
  timing = [row(10, 5.0), row(20, 6.0)]
  timing += [row(30, slow, 'gpu'), row(40, slow + 1, 'gpu')]
  starts = [START, {'step': 20}, {'step': 20}]  # the second logged nothing
  pace = speed.summarise(timing, starts, batch_size=8)
  assert pace.seconds == 6.0 + slow + 1
  assert pace.starts == 3
  assert pace.devices == ('cpu', 'gpu')
  assert pace.images_per_second == 80


def test_a_single_row_has_its_own_speed():
  assert (
    speed.summarise([row(10, 5.0)], [START], batch_size=8).images_per_second
    == 7
  )


def test_waits_of_the_last_start_are_averaged_for_each_host():
  timing = [row(10, 5.0), *(row(s, s / 10) for s in (20, 30, 40))]
  waits = ([1.0], [1, 1], [0.5, 0], [0, 0])
  timing = [
    each | {'waiting': w} for each, w in zip(timing, waits, strict=True)
  ]
  timing[-1]['goodput'] = 0.5
  pace = speed.summarise(timing, [START, {'step': 10}], batch_size=8)
  assert pace.waiting == (0.25, 0.0)
  assert pace.goodput == 0.5


def test_rows_without_waits_or_goodput_have_none():
  pace = speed.summarise([row(10, 5.0), row(20, 6.0)], [START], batch_size=8)
  assert (pace.waiting, pace.goodput) == ((), None)


def test_without_rows_there_is_no_speed():
  assert speed.summarise([], [], batch_size=8) is None


@pytest.mark.parametrize(
  ('seconds', 'written'),
  [
    (0.04, '0.0 s'),
    (59.6, '1 min 0 s'),
    (125.0, '2 min 5 s'),
    (3.0 * 3600 + 12 * 60 + 59, '3 h 12 min'),
    (26.0 * 3600, '1 d 2 h'),
  ],
)
def test_a_duration_has_its_two_largest_units(seconds, written):
  assert speed.duration(seconds) == written
