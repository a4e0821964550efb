"""The start-up benchmark times all its parts."""

from benchmarks import startup


def test_batches_from_host_memory_and_from_the_device_are_timed():
  figures = dict(startup.time_batches(sizes=(4, 8), images=16, rounds=2))
  assert len(figures) == 4
  assert all(len(rates) == 2 for rates in figures.values())
  assert all(min(rates) > 0 for rates in figures.values())
