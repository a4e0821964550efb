"""Runs programs on several devices of a CPU."""

import os
import subprocess
import sys


def run(program, *words, count):
  """Runs a program in a process with a number of devices.

  JAX fixes the number of devices when it starts.

  Returns:
    What the program prints.
  """
  flag = f' --xla_force_host_platform_device_count={count}'
  environment = {
    'XLA_FLAGS': os.environ['XLA_FLAGS'] + flag,
    'JAX_PLATFORMS': 'cpu',
  }
  result = subprocess.run(
    [sys.executable, '-c', program, *words],
    env=os.environ | environment,
    capture_output=True,
    text=True,
    check=False,
  )
  assert result.returncode == 0, result.stdout + result.stderr[-3000:]
  return result.stdout
