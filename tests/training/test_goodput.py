"""Where the time of a run goes, on a clock that the tests set."""

import numpy as np
import pytest

from vaegan_jax.training import goodput


class Time:
  def __init__(self, now):
    self.now = now

  def __call__(self):
    return self.now


def begin(now=100.0, *, step=0, batch_size=10, **before):
  time = Time(now)
  clock = goodput.Timer(step=step, batch_size=batch_size, now=time, **before)
  return clock, time


def never():
  return False


def always():
  return True


def test_steps_of_a_call_share_its_time_evenly():
  clock, time = begin()
  seconds, speeds = [], []
  for now, last in ((108.0, 4), (110.0, 8)):
    time.now = now
    clock.advance(4)
    for step in range(last - 3, last + 1):
      row = clock.row(step)
      seconds.append(row['seconds'])
      speeds.append(row['images_per_second'])
  assert seconds == [2.0, 4.0, 6.0, 8.0, 8.5, 9.0, 9.5, 10.0]
  assert speeds == [5.0] * 4 + [20.0] * 4


def test_the_speed_is_that_since_the_row_before():
  clock, time = begin()
  time.now = 150.0
  clock.advance(1)
  assert clock.row(1)['steps_per_second'] == 0.02
  for _ in range(10):
    time.now += 0.5
    clock.advance(1)
  assert clock.row(11)['steps_per_second'] == 2.0


def test_hosts_share_the_images_and_each_says_how_long_it_waited():
  clock, time = begin()
  for waits in ([0.5, 0.0], [0.5, 3.0]):
    clock.heard(np.array(waits))
  time.now += 4.0
  clock.advance(2)
  row = clock.row(2)
  assert row['images_per_second'] == 5.0
  assert row['images_per_second_per_host'] == 2.5
  assert row['waiting'] == [0.25, 0.75]
  time.now += 4.0
  clock.advance(1)
  assert clock.row(3)['waiting'] == [0.0]


def test_a_batch_that_the_devices_did_not_need_yet_is_no_wait():
  clock, time = begin()
  for idle in (never, always):
    with clock.waiting(idle):
      time.now += 3.0
  assert clock.waited() == 3.0
  assert clock.waited() == 0.0


def test_compiling_waiting_and_saving_are_not_productive():
  clock, time = begin()
  time.now += 60.0  # compiles
  clock.advance(1)
  with clock.waiting(always):
    time.now += 2.0
  clock.waited()
  time.now += 10.0
  clock.advance(1)
  with clock.pausing():
    time.now += 8.0
  time.now += 20.0
  clock.advance(1)
  row = clock.row(3)
  assert row['productive'] == 10.0 + 20.0
  assert row['goodput'] == 0.3


def test_time_between_starts_and_lost_steps_lower_the_goodput():
  rows = [{'step': 10, 'productive': 50.0}, {'step': 20, 'productive': 90.0}]
  starts = [{'time': 100.0}, {'time': 250.0}]
  kept = rows[:1]  # the run goes on from step 10
  clock, time = begin(300.0, step=10, **goodput.history(starts, kept))
  time.now += 5.0
  clock.advance(1)
  time.now += 25.0
  clock.advance(1)
  row = clock.row(12)
  assert row['productive'] == 50.0 + 25.0
  assert row['goodput'] == pytest.approx(75.0 / 230.0, abs=1e-4)


def test_a_first_start_has_no_history():
  assert goodput.history([], []) == {'productive': 0.0, 'began': None}


def test_rows_of_an_older_version_count_for_nothing():
  timing = [{'step': 10, 'seconds': 3.0}]
  assert goodput.history([], timing)['productive'] == 0.0
