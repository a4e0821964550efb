"""The C library's memory, as a training step on the CPU wants it.

A step frees what the next one asks for again: hundreds of megabytes. By default
glibc gives large blocks back to the system, which hands them out anew in pages
of 4 kB, zeroed one by one. Told to keep them, and to ask for huge pages, it
needs a hundredth of the page faults (docs/performance.md).

glibc reads this when a program starts, so a launcher starts itself once more.
To change its settings later, by mallopt, is no way out: large blocks are then
kept in the main arena only, and with one arena for all threads they wait for
each other while XLA compiles.

Even so, a block of more than 64 MB is kept for the main thread only; for
another it is mapped, and unmapped when it is freed. So JAX is told to compute
on the thread that asks for it.
"""

from __future__ import annotations

import os
import sys

_NAME = 'GLIBC_TUNABLES'

# Blocks never come from mmap, the end of the heap is never trimmed, and the
# other threads' heaps, of 64 MB each, are not given back when they are empty.
_SETTINGS = (
  'glibc.malloc.hugetlb=1',
  'glibc.malloc.mmap_max=0',
  f'glibc.malloc.trim_threshold={1 << 40}',
  f'glibc.malloc.top_pad={1 << 26}',
)


def keep() -> None:
  """Starts this program once more, whose C library keeps what a step frees.

  Nothing happens if GLIBC_TUNABLES is set, be it to '', or beside Linux. Other
  C libraries do not mind.
  """
  if sys.platform.startswith('linux') and _NAME not in os.environ:
    keep_in_children()
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


def keep_in_children() -> None:
  """Has the programs that this one starts do so."""
  os.environ.setdefault(_NAME, ':'.join(_SETTINGS))


def compute_here() -> None:
  """Has JAX's CPU compute on the thread that asks, before it has computed."""
  import jax

  jax.config.update('jax_cpu_enable_async_dispatch', False)
