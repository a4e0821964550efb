"""The speed and the goodput of a run, measured by a clock that tests set."""

import numpy as np
import pytest

from vaegan_jax.training import goodput


class Clock:
  def __init__(self, now):
    self.now = now

  def __call__(self):
    return self.now


def start(now=100.0, *, step=0, batch_size=10, **earlier):
  clock = Clock(now)
  timer = goodput.Timer(step=step, batch_size=batch_size, now=clock, **earlier)
  return timer, clock


def advance(timer, clock, *, seconds, steps=1):
  clock.now += seconds
  timer.advance(steps)


def idle():
  return True


def test_the_steps_of_a_dispatch_share_its_time_equally():
  timer, clock = start()
  seconds, speeds = [], []
  for taken, last in ((8.0, 4), (2.0, 8)):
    advance(timer, clock, seconds=taken, steps=4)
    for step in range(last - 3, last + 1):
      row = timer.row(step)
      seconds.append(row['seconds'])
      speeds.append(row['images_per_second'])
  assert seconds == [2.0, 4.0, 6.0, 8.0, 8.5, 9.0, 9.5, 10.0]
  assert speeds == [5.0] * 4 + [20.0] * 4


def test_the_speed_is_measured_since_the_previous_row():
  timer, clock = start()
  advance(timer, clock, seconds=50.0)
  assert timer.row(1)['steps_per_second'] == 0.02
  for _ in range(10):
    advance(timer, clock, seconds=0.5)
  assert timer.row(11)['steps_per_second'] == 2.0


def test_hosts_share_the_images_and_have_a_share_of_waiting_each():
  timer, clock = start()
  for waits in ([0.5, 0.0], [0.5, 3.0]):
    timer.add_host_waits(np.array(waits))
  advance(timer, clock, seconds=4.0, steps=2)
  row = timer.row(2)
  assert row['images_per_second'] == 5.0
  assert row['images_per_second_per_host'] == 2.5
  assert row['waiting'] == [0.25, 0.75]
  advance(timer, clock, seconds=4.0)
  assert timer.row(3)['waiting'] == [0.0]


def test_a_batch_counts_as_waiting_only_if_the_devices_are_idle():
  timer, clock = start()
  for is_idle in (lambda: False, idle):
    with timer.batch(is_idle):
      clock.now += 3.0
  assert timer.pop_wait() == 3.0
  assert timer.pop_wait() == 0.0


def test_compiling_waiting_and_saving_are_not_productive():
  timer, clock = start()
  advance(timer, clock, seconds=60.0)  # compiles
  with timer.batch(idle):
    clock.now += 2.0
  timer.pop_wait()
  advance(timer, clock, seconds=10.0)
  with timer.pause():
    clock.now += 8.0
  advance(timer, clock, seconds=20.0)
  row = timer.row(3)
  assert row['productive'] == 10.0 + 20.0
  assert row['goodput'] == 0.3


def test_time_between_starts_and_lost_steps_lower_the_goodput():
  timing = [{'step': 10, 'productive': 50.0}]  # step 20 is lost
  starts = [{'time': 100.0}, {'time': 250.0}]
  timer, clock = start(300.0, step=10, **goodput.history(starts, timing))
  for seconds in (5.0, 25.0):
    advance(timer, clock, seconds=seconds)
  row = timer.row(12)
  assert row['productive'] == 50.0 + 25.0
  assert row['goodput'] == pytest.approx(75.0 / 230.0, abs=1e-4)


@pytest.mark.parametrize('timing', [[], [{'step': 10, 'seconds': 3.0}]])
def test_no_rows_and_rows_of_an_older_version_are_not_productive(timing):
  history = goodput.history([], timing)
  assert history == {'productive': 0.0, 'began': None}
