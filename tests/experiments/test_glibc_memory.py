"""With the settings of the Makefile glibc keeps the memory of a step."""

import os
import platform
import re
import subprocess
import sys

import pytest

from benchmarks import workers
from tests import ROOT

# Each repeats its work four times and counts the last one's page faults. The
# first takes, writes and frees a block of 100 MB.
BLOCK = """
import ctypes
c = ctypes.CDLL(None)
c.malloc.restype = ctypes.c_void_p
for _ in range(4):
  start = faults()
  block = ctypes.c_void_p(c.malloc(100 << 20))
  ctypes.memset(block, 1, 100 << 20)
  c.free(block)
"""
# A program that allocates 200 MB.
PROGRAM = """
from experiments import launch
launch.compute_on_calling_thread()
import jax, jax.numpy as jnp
run = jax.jit(lambda x: jnp.cumsum(x + 1, 0).sum())
x = jnp.ones((5000, 5000))
for _ in range(4):
  start = faults()
  run(x).block_until_ready()
"""
COUNT = """
import resource
def faults():
  return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
"""


def makefile_value(**environment):
  """Returns GLIBC_TUNABLES as the recipes of the Makefile see it."""
  inherited = {k: v for k, v in os.environ.items() if k != 'GLIBC_TUNABLES'}
  return subprocess.run(
    ['make', '-s', '--eval=show:; @echo "$$GLIBC_TUNABLES"', 'show'],
    env=inherited | environment,
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
  ).stdout.strip()


@pytest.mark.skipif(platform.libc_ver()[0] != 'glibc', reason='needs glibc')
@pytest.mark.parametrize(
  'work',
  [
    pytest.param(BLOCK, id='block'),
    pytest.param(PROGRAM, id='program', marks=pytest.mark.slow),
  ],
)
def test_freed_memory_is_reused_without_page_faults(work):
  result = subprocess.run(
    [sys.executable, '-c', COUNT + work + 'print(faults() - start)'],
    env=os.environ | {'GLIBC_TUNABLES': makefile_value()},
    cwd=ROOT,
    capture_output=True,
    text=True,
    check=True,
  )
  assert int(result.stdout) < (100 if work is BLOCK else 50)


def test_the_makefile_keeps_a_value_from_the_environment():
  assert makefile_value(GLIBC_TUNABLES='') == ''
  assert makefile_value(GLIBC_TUNABLES='a=1') == 'a=1'


def test_the_scripts_the_image_and_the_docs_set_the_same_value():
  value = makefile_value()
  assert value == workers.GLIBC_TUNABLES
  cluster = ROOT / 'experiments' / 'cluster'
  for path in (
    cluster / 'slurm.sh',
    cluster / 'tpu_pod.sh',
    ROOT / 'Dockerfile',
    ROOT / 'docs' / 'performance.md',
  ):
    assert set(re.findall(r'[=-](glibc\.[^}\s]+)', path.read_text())) == {value}
