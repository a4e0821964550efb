"""Notice that a process must end: SIGTERM, which comes before a preemption.

Elsewhere than in the training loop there is nothing to save, and the process
ends at once. The loop defers the end until it has saved its state.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator
from types import FrameType

# Seconds until a process is ended that is inside one long call, such as a
# compilation. Preempted machines are often given 30.
_PATIENCE = 20.0

# 128 + the signal's number, as shells say it.
_BASE = 128


class Preempted(SystemExit):
  """Ends the process with 143 after SIGTERM, 130 after an interrupt.

  Python ends the process with this code if nobody catches it, without a trace.
  """

  def __init__(self, number: int):
    super().__init__(_BASE + number)


class Notice:
  """Says whether the process was asked to end.

  Attributes:
    given: the number of the signal that asked, or None.
  """

  def __init__(self) -> None:
    self.given: int | None = None
    self._deferred = False

  @contextlib.contextmanager
  def listen(self) -> Iterator[None]:
    """Handles SIGTERM and interrupts (Ctrl-C), in the main thread.

    Of SIGTERM only the first counts; a second Ctrl-C does not wait.
    """
    ours, watched = socket.socketpair()
    for end in (ours, watched):
      end.setblocking(False)
    before = {
      number: signal.signal(number, self._handle)
      for number in (signal.SIGTERM, signal.SIGINT)
    }
    fd = signal.set_wakeup_fd(ours.fileno(), warn_on_full_buffer=False)
    watched.setblocking(True)
    threading.Thread(target=self._watch, args=(watched,), daemon=True).start()
    try:
      yield
    except SystemExit as error:
      # Python drops what a handler raises within a destructor or a callback.
      if not error.code:
        self.check()
      raise
    finally:
      signal.set_wakeup_fd(fd)
      for number, handler in before.items():
        # A process that is ending is not disturbed by another SIGTERM.
        ending = self.given is not None and number == signal.SIGTERM
        signal.signal(number, signal.SIG_IGN if ending else handler)
      ours.close()

  @contextlib.contextmanager
  def deferred(self) -> Iterator[None]:
    """Lets the block find the right moment: it must ask for `given`.

    Raises:
      Preempted: at the end of the block, if the process was asked to end.
    """
    self._deferred = True
    try:
      yield
    finally:
      self._deferred = False
    self.check()

  def hear(self, number: int) -> bool:
    """Takes what all processes of the run have been asked, this one too.

    What this one alone knows does not count yet: all must end at one step.

    Args:
      number: of a signal that one of them got; 0: none.

    Returns:
      whether to end.
    """
    self.given = self.given or number or None
    return bool(number)

  def check(self) -> None:
    """Raises Preempted if the process was asked to end."""
    if self.given is not None:
      raise Preempted(self.given)

  def _handle(self, number: int, frame: FrameType | None) -> None:
    first, self.given = self.given is None, number
    if number == signal.SIGINT and not first:
      raise KeyboardInterrupt
    if first and not self._deferred:
      raise Preempted(number)

  def _watch(self, watched: socket.socket) -> None:
    """Ends a process whose main thread does not come to handle a signal."""
    # Python writes the signal's number as a byte at once, whatever it is at.
    with watched:
      while byte := watched.recv(1):
        if byte[0] in (signal.SIGTERM, signal.SIGINT):
          break
      else:
        return
      threading.Event().wait(_PATIENCE)
      if self.given is None or not self._deferred:
        os._exit(_BASE + byte[0])
