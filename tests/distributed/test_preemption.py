"""A signalled process exits at the right moment, with its exit code."""

import signal
import subprocess
import sys

import pytest

from vaegan_jax.distributed import preemption

PROGRAM = """
import hashlib, os, signal, time
from vaegan_jax.distributed import preemption
preemption._GRACE_SECONDS = preemption._IMPATIENT_SECONDS = 0.3
notice = preemption.Notice()
def send(signum):
  os.kill(os.getpid(), signum)
with notice.handle_signals():
  try:
{body}
  finally:
    print('cleaned', flush=True)
"""

# Tests that nohup started inherit that SIGHUP is ignored.
HEEDED = """
import signal
signal.signal(signal.SIGHUP, signal.SIG_DFL)
"""


def run(body):
  """Runs a program; returns its exit code and the words that it printed."""
  indented = '\n'.join(f'    {line}' for line in body.strip().splitlines())
  result = subprocess.run(
    [sys.executable, '-c', HEEDED + PROGRAM.format(body=indented)],
    capture_output=True,
    text=True,
    check=False,
  )
  return result.returncode, result.stdout.split()


@pytest.mark.parametrize(
  ('signum', 'code'),
  [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)],
)
def test_a_signal_ends_the_process_at_once_with_its_code(signum, code):
  body = f'send({int(signum)})\ntime.sleep(60)\nprint("on")'
  assert run(body) == (code, ['cleaned'])


def test_a_hangup_that_nohup_ignores_does_not_end_the_process():
  result = subprocess.run(
    [
      *('nohup', sys.executable, '-c'),
      PROGRAM.format(body='    send(1)\n    print("on")'),
    ],
    capture_output=True,
    text=True,
    check=True,
  )
  assert result.stdout.split() == ['on', 'cleaned']


def test_a_deferred_exit_comes_after_the_block():
  body = """
with notice.deferred():
  send(15)
  print('signum', notice.signum)
print('on')
"""
  assert run(body) == (143, ['signum', '15', 'cleaned'])


# What must still be printed after a second SIGTERM.
SECOND_SIGTERM = {
  'in a deferred block': """
with notice.deferred():
  send(15)
  send(15)
  print('saved')
""",
  'in a cleanup': """
try:
  send(15)
finally:
  send(15)
  print('saved')
""",
  'at exit': """
import atexit
atexit.register(send, 15)
print('saved')
send(15)
time.sleep(60)
""",
}


@pytest.mark.parametrize('name', SECOND_SIGTERM)
def test_a_second_sigterm_is_ignored(name):
  assert run(SECOND_SIGTERM[name]) == (143, ['saved', 'cleaned'])


def test_an_exit_code_that_a_callback_lost_is_restored():
  body = """
import sys
try:
  send(15)
  time.sleep(60)
except SystemExit:
  sys.exit()
"""
  assert run(body) == (143, ['cleaned'])


def test_a_second_interrupt_exits_within_the_block():
  body = """
with notice.deferred():
  send(2)
  send(2)
  print('saved')
"""
  code, printed = run(body)
  assert code != 0
  assert printed == ['cleaned']


def test_a_long_call_is_ended_after_the_grace_period():
  # Python handles the signal when the call returns: in more than a minute.
  body = """
import threading
threading.Timer(0.2, send, [15]).start()
hashlib.pbkdf2_hmac('sha256', b'', b'', 2**31 - 1)
print('on')
"""
  assert run(body) == (143, [])


def test_a_deferred_exit_may_take_longer_than_the_grace_period():
  body = """
with notice.deferred():
  send(15)
  time.sleep(1)
  print('saved')
"""
  assert run(body) == (143, ['saved', 'cleaned'])


def test_the_handlers_are_restored_without_a_signal():
  notice = preemption.Notice()
  before = signal.getsignal(signal.SIGTERM)
  with notice.handle_signals(), notice.deferred():
    assert signal.getsignal(signal.SIGTERM) == notice._handle
  assert notice.signum is None
  assert signal.getsignal(signal.SIGTERM) == before


# A call of several seconds, during which Python handles no signal.
LONG_STEP = """
import threading
for i in range({signals}):
  threading.Timer(0.2 + 0.1 * i, send, [{signum}]).start()
with notice.deferred():
  hashlib.pbkdf2_hmac('sha256', b'', b'', {length})
  print('saved')
"""


@pytest.mark.parametrize(
  ('signum', 'signals'), [(15, 1), (15, 2), (2, 1), (1, 1)]
)
def test_a_step_may_take_longer_than_the_grace_period(signum, signals):
  body = LONG_STEP.format(signum=signum, signals=signals, length=2_000_000)
  assert run(body) == (128 + signum, ['saved', 'cleaned'])


def test_a_second_interrupt_ends_a_long_step():
  body = LONG_STEP.format(signum=2, signals=2, length=2**31 - 1)
  assert run(body) == (130, [])


def test_later_signals_print_nothing():
  body = """
try:
  send(15)
finally:
  for _ in range(3):
    send(15)
    time.sleep(0.05)
"""
  assert run(body) == (143, ['cleaned'])
