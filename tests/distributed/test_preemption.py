"""A process that is asked to end does so at the right moment, with its code."""

import signal
import subprocess
import sys
import time

import pytest

from vaegan_jax.distributed import preemption

PROGRAM = """
import hashlib, os, signal, time
from vaegan_jax.distributed import preemption
preemption._GRACE_SECONDS = 0.3
notice = preemption.Notice()
def me(number):
  os.kill(os.getpid(), number)
with notice.handle_signals():
  try:
{body}
  finally:
    print('cleaned', flush=True)
"""


def run(body):
  """Runs a program; gives its exit code and the words that it printed."""
  indented = '\n'.join(f'    {line}' for line in body.strip().splitlines())
  result = subprocess.run(
    [sys.executable, '-c', PROGRAM.format(body=indented)],
    capture_output=True,
    text=True,
    check=False,
  )
  return result.returncode, result.stdout.split()


@pytest.mark.parametrize(
  ('number', 'code'), [(signal.SIGTERM, 143), (signal.SIGINT, 130)]
)
def test_a_signal_ends_the_process_at_once_with_its_code(number, code):
  body = f'me({int(number)})\ntime.sleep(60)\nprint("on")'
  assert run(body) == (code, ['cleaned'])


def test_a_deferred_end_comes_after_the_block():
  body = """
with notice.deferred():
  me(signal.SIGTERM)
  print('signum', notice.signum)
print('on')
"""
  assert run(body) == (143, ['signum', '15', 'cleaned'])


def test_a_second_sigterm_does_no_harm():
  body = """
with notice.deferred():
  me(signal.SIGTERM)
  me(signal.SIGTERM)
  print('saved')
"""
  assert run(body) == (143, ['saved', 'cleaned'])


def test_a_second_sigterm_does_not_disturb_what_is_cleaned_up():
  body = """
try:
  me(signal.SIGTERM)
finally:
  me(signal.SIGTERM)
  print('closed')
"""
  assert run(body) == (143, ['closed', 'cleaned'])


def test_a_second_sigterm_does_not_disturb_the_end_of_the_process():
  body = 'import atexit\natexit.register(me, 15)\nme(15)\ntime.sleep(60)'
  assert run(body) == (143, ['cleaned'])


def test_an_end_that_was_lost_on_the_way_still_has_its_code():
  body = """
import sys
try:
  me(signal.SIGTERM)
  time.sleep(60)
except SystemExit:
  sys.exit()
"""
  assert run(body) == (143, ['cleaned'])


def test_a_second_interrupt_does_not_wait_for_the_block():
  body = """
with notice.deferred():
  me(signal.SIGINT)
  me(signal.SIGINT)
  print('saved')
"""
  code, printed = run(body)
  assert code != 0
  assert printed == ['cleaned']


def test_one_long_call_is_not_waited_for_for_ever():
  # The signal is handled when the call returns, in tens of seconds.
  body = """
import threading
threading.Timer(0.2, me, [signal.SIGTERM]).start()
hashlib.pbkdf2_hmac('sha256', b'', b'', 10**9)
print('on')
"""
  start = time.monotonic()
  assert run(body) == (143, [])
  assert time.monotonic() - start < 20


def test_a_deferred_end_that_was_noticed_may_take_its_time():
  body = """
with notice.deferred():
  me(signal.SIGTERM)
  time.sleep(1)
  print('saved')
"""
  assert run(body) == (143, ['saved', 'cleaned'])


def test_without_a_signal_nothing_happens():
  notice = preemption.Notice()
  before = signal.getsignal(signal.SIGTERM)
  with notice.handle_signals(), notice.deferred():
    assert signal.getsignal(signal.SIGTERM) == notice._handle
  assert notice.signum is None
  assert signal.getsignal(signal.SIGTERM) == before


def test_patience_and_a_short_save_fit_into_half_a_minute():
  assert preemption._GRACE_SECONDS <= 25
