"""Progress is a bar in a terminal, and few plain lines in a log."""

import io
import pathlib
import sys

import pytest

from vaegan_jax.data import progress_bar

FULL = pathlib.Path('/dev/full')


class Terminal(io.StringIO):
  def isatty(self):
    return True


def work(total=300, **settings):
  bar = progress_bar.start(total, label='training', unit='step', **settings)
  for _ in range(total - settings.get('done', 0)):
    bar.update(1)
  bar.set_postfix_str('loss 2', refresh=False)
  bar.close()


def test_a_log_has_a_line_at_the_start_and_at_the_end(monkeypatch):
  monkeypatch.setattr(sys, 'stderr', log := io.StringIO())
  work(done=100)
  first, last = log.getvalue().splitlines()
  assert '\r' not in log.getvalue()
  assert first.startswith('training: 100 of 300 steps, 00:00 passed, ')
  assert last.startswith('training: 300 of 300 steps, 00:00 passed, 00:00 rem')
  assert last.endswith('step/s, loss 2')


def test_a_log_has_a_line_every_half_minute(monkeypatch):
  monkeypatch.setattr(sys, 'stderr', log := io.StringIO())
  now = [0.0]
  bar = progress_bar.start(300, label='training', unit='step')
  bar._time = lambda: now[0]
  bar.start_t = bar.last_print_t = 0.0
  for now[0] in range(1, 95):
    bar.update(1)
  steps = [int(line.split()[1]) for line in log.getvalue().splitlines()]
  assert steps == [0, 30, 60, 90]


def test_a_terminal_has_one_line_that_is_redrawn(monkeypatch):
  monkeypatch.setattr(sys, 'stderr', terminal := Terminal())
  work()
  assert '100%' in terminal.getvalue()
  assert terminal.getvalue().count('\n') == 1


def test_nothing_is_shown_where_it_is_not_wanted(monkeypatch):
  monkeypatch.setattr(sys, 'stderr', log := io.StringIO())
  work(shown=False)
  assert not log.getvalue()


@pytest.mark.skipif(not FULL.exists(), reason='needs /dev/full of Linux')
def test_a_log_that_is_full_or_closed_does_not_end_the_work(monkeypatch):
  with FULL.open('w', buffering=1) as full:
    monkeypatch.setattr(sys, 'stderr', full)
    work()
    monkeypatch.setattr(sys, 'stderr', None)
    work()
    full.buffer.raw.close()
