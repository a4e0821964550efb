"""A launcher's process keeps the memory that a training step frees."""

import os
import platform
import subprocess
import sys

import pytest

# Four times: a block of 100 MB is taken, written to and freed.
PROGRAM = """
import ctypes, os, resource, sys
from experiments import memory
memory.keep()
def faults():
  return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
c = ctypes.CDLL(None)
c.malloc.restype = ctypes.c_void_p
for _ in range(4):
  start = faults()
  block = ctypes.c_void_p(c.malloc(100 << 20))
  ctypes.memset(block, 1, 100 << 20)
  c.free(block)
print(faults() - start, os.getpid(), sys.argv[1:])
"""


def run(*words):
  """Runs the program; gives what it printed, and its number."""
  kept = {k: v for k, v in os.environ.items() if k != 'GLIBC_TUNABLES'}
  process = subprocess.Popen(
    [sys.executable, '-c', PROGRAM, *words],
    env=kept,
    stdout=subprocess.PIPE,
    text=True,
  )
  printed, _ = process.communicate()
  assert process.returncode == 0
  faults, number, words = printed.split(maxsplit=2)
  assert int(number) == process.pid
  return int(faults), words.strip()


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='of glibc')
def test_a_block_freed_is_handed_out_again_as_it_is():
  faults, _ = run()
  assert faults < 100


def test_the_program_that_starts_anew_is_the_same():
  _, words = run('--name=two words', '*', '')
  assert words == "['--name=two words', '*', '']"
