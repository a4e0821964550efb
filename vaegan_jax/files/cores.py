"""Counts the cores of this machine that this process may use."""

from __future__ import annotations

import os


def count() -> int:
  """Returns the number of cores; a cluster may lend a process fewer than all.

  macOS does not say which ones, so all count there.
  """
  if hasattr(os, 'sched_getaffinity'):
    return len(os.sched_getaffinity(0))
  return os.cpu_count() or 1
