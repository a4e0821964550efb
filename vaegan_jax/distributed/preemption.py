"""Handles SIGTERM, which a cluster sends before it preempts a process.

Outside the training loop there is nothing to save, and the process exits at
once. The loop defers the exit until it has saved its state.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator
from types import FrameType

# How long a single call may keep the main thread from the signal before the
# process is ended, where there is nothing to save.
_GRACE_SECONDS = 20.0
# The same after a second Ctrl-C.
_IMPATIENT_SECONDS = 2.0

# A shell reports 128 + the signal's number.
_EXIT_BASE = 128


# A terminal that is closed, or an ssh connection that breaks, sends SIGHUP.
_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Preempted(SystemExit):
  """Exits with 143 after SIGTERM, 130 after an interrupt, 129 after SIGHUP.

  If nothing catches it, Python exits with this code and prints no traceback.
  """

  def __init__(self, signum: int):
    super().__init__(_EXIT_BASE + signum)


class Notice:
  """Records the signal that asks the process to exit.

  Attributes:
    signum: the signal's number, or None before it arrives.
  """

  def __init__(self) -> None:
    self.signum: int | None = None
    self._deferred = False

  @contextlib.contextmanager
  def handle_signals(self) -> Iterator[None]:
    """Handles SIGTERM, SIGHUP and interrupts (Ctrl-C) in the main thread.

    Only the first SIGTERM counts; a second Ctrl-C exits at once. A SIGHUP that
    nohup ignores stays ignored.
    """
    ours, watched = socket.socketpair()
    for end in (ours, watched):
      end.setblocking(False)
    handlers = {
      signum: signal.signal(signum, self._handle)
      for signum in _SIGNALS
      if (signum, signal.getsignal(signum)) != (signal.SIGHUP, signal.SIG_IGN)
    }
    fd = signal.set_wakeup_fd(ours.fileno(), warn_on_full_buffer=False)
    watched.setblocking(True)
    threading.Thread(target=self._watch, args=(watched,), daemon=True).start()
    try:
      yield
    except SystemExit as error:
      # Python drops what a handler raises in a destructor or a callback.
      if not error.code:
        self.check()
      raise
    finally:
      signal.set_wakeup_fd(fd)
      for signum, handler in handlers.items():
        # Another signal does not disturb a process that is exiting.
        exiting = self.signum is not None and signum != signal.SIGINT
        signal.signal(signum, signal.SIG_IGN if exiting else handler)
      ours.close()

  @contextlib.contextmanager
  def deferred(self) -> Iterator[None]:
    """Defers the exit to the end of the block, which must poll `signum`.

    Raises:
      Preempted: at the end of the block, if a signal arrived.
    """
    self._deferred = True
    try:
      yield
    finally:
      self._deferred = False
    self.check()

  def agree(self, signum: int) -> bool:
    """Records the signal that the processes of the run agree on.

    All of them must stop at the same step, so a signal to this process counts
    only once the others know of it.

    Args:
      signum: the largest of the processes' signals; 0 for none.

    Returns:
      whether to stop.
    """
    self.signum = self.signum or signum or None
    return bool(signum)

  def check(self) -> None:
    """Raises Preempted if a signal arrived."""
    if self.signum is not None:
      raise Preempted(self.signum)

  def _handle(self, signum: int, frame: FrameType | None) -> None:
    first, self.signum = self.signum is None, signum
    if signum == signal.SIGINT and not first:
      raise KeyboardInterrupt
    if first and not self._deferred:
      raise Preempted(signum)

  def _watch(self, watched: socket.socket) -> None:
    """Ends the process if its main thread does not handle a signal in time.

    A step may take longer than any grace, so the training loop has all the time
    that the sender grants, except after a second Ctrl-C.
    """
    interrupts = 0
    # Python writes the signal's number as a byte as soon as it arrives.
    with watched:
      while byte := watched.recv(1):
        interrupts += byte[0] == signal.SIGINT
        if interrupts > 1:
          threading.Event().wait(_IMPATIENT_SECONDS)
        elif byte[0] in _SIGNALS and not self._deferred:
          threading.Event().wait(_GRACE_SECONDS)
        else:
          continue
        os._exit(_EXIT_BASE + byte[0])
