"""Runs programs in processes of their own, on several devices of a CPU."""

import os
import subprocess
import sys

from tests import ROOT


def run(program, *words, count=1):
  """Runs a program in a new process, where JAX has a number of devices.

  The number is fixed when JAX starts.

  Returns:
    what the program prints.
  """
  flag = f' --xla_force_host_platform_device_count={count}'
  environment = {
    'XLA_FLAGS': os.environ['XLA_FLAGS'] + flag,
    'JAX_PLATFORMS': 'cpu',
  }
  result = subprocess.run(
    [sys.executable, '-c', program, *words],
    cwd=ROOT,
    env=os.environ | environment,
    capture_output=True,
    text=True,
    check=False,
  )
  assert result.returncode == 0, result.stdout + result.stderr[-3000:]
  return result.stdout
