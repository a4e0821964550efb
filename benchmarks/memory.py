"""The memory that a process takes, by Linux's own account."""

from __future__ import annotations

import contextlib
import ctypes
import pathlib

_PROCESS = pathlib.Path('/proc/self')


def resident() -> int | None:
  """Gives the process's memory now, in bytes; None where it is not told."""
  return _status('VmRSS')


def peak() -> int | None:
  """Gives the most that it took since `forget_peak`, in bytes, or None."""
  return _status('VmHWM')


def forget_peak() -> None:
  """Starts the peak anew, and gives back what compiling left unused."""
  with contextlib.suppress(AttributeError):  # elsewhere than with glibc
    ctypes.CDLL(None).malloc_trim(0)
  with contextlib.suppress(OSError):
    (_PROCESS / 'clear_refs').write_text('5')


def _status(name: str) -> int | None:
  with contextlib.suppress(OSError):
    for line in (_PROCESS / 'status').read_text().splitlines():
      if line.startswith(f'{name}:'):
        return int(line.split()[1]) << 10
  return None
