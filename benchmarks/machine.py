"""Names the machine and the versions, of which every figure is a figure."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import pathlib
import platform

_PACKAGES = ('jax', 'jaxlib', 'torch', 'pythae')


def processor() -> str:
  """Names the CPU's model."""
  with contextlib.suppress(OSError):
    for line in pathlib.Path('/proc/cpuinfo').read_text().splitlines():
      if line.startswith('model name'):
        return line.partition(':')[2].strip()
  return platform.processor() or platform.machine()


def cores() -> int:
  """Counts the cores that this process may use."""
  return len(os.sched_getaffinity(0))


def versions() -> dict[str, str]:
  """Gives the versions of Python and of the packages that are installed."""
  found = {'python': platform.python_version()}
  for package in _PACKAGES:
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
      found[package] = importlib.metadata.version(package)
  return found


def describe(device: str | None) -> str:
  """Says in a line what the machine is.

  Args:
    device: the accelerator's name, or None.
  """
  host = f'{cores()} cores of {processor()}'
  return f'{device}, {host}' if device else host
