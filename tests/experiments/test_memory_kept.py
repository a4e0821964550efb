"""A launcher's process keeps the memory that a training step frees."""

import os
import platform
import subprocess
import sys

import pytest

START = """
import os, resource, sys
from experiments import memory
memory.keep()
def faults():
  return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
"""

# Each four times. A block of 100 MB is taken, written to and freed.
TAKE_A_BLOCK = """
import ctypes
c = ctypes.CDLL(None)
c.malloc.restype = ctypes.c_void_p
for _ in range(4):
  start = faults()
  block = ctypes.c_void_p(c.malloc(100 << 20))
  ctypes.memset(block, 1, 100 << 20)
  c.free(block)
"""

# A program is run that takes 200 MB and gives them back.
COMPUTE = """
memory.compute_here()
import jax, jax.numpy as jnp
run = jax.jit(lambda x: jnp.cumsum(x + 1, 0).sum())
x = jnp.ones((5000, 5000))
for _ in range(4):
  start = faults()
  run(x).block_until_ready()
"""

END = """
print(faults() - start, os.getpid(), sys.argv[1:])
"""

glibc = pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='of glibc')


def run(work, *words):
  """Runs a program; gives the last turn's page faults, and its words."""
  kept = {k: v for k, v in os.environ.items() if k != 'GLIBC_TUNABLES'}
  process = subprocess.Popen(
    [sys.executable, '-c', START + work + END, *words],
    env=kept,
    stdout=subprocess.PIPE,
    text=True,
  )
  printed, _ = process.communicate()
  assert process.returncode == 0
  faults, number, words = printed.split(maxsplit=2)
  assert int(number) == process.pid
  return int(faults), words.strip()


@glibc
def test_a_block_freed_is_handed_out_again_as_it_is():
  faults, _ = run(TAKE_A_BLOCK)
  assert faults < 100


@glibc
def test_what_a_program_of_jax_takes_is_handed_out_again_as_it_is():
  faults, _ = run(COMPUTE)
  assert faults < 50


def test_the_program_that_starts_anew_is_the_same():
  _, words = run('start = faults()', '--name=two words', '*', '')
  assert words == "['--name=two words', '*', '']"
