"""Runs launchers as a user does."""

import os
import subprocess
import sys

from tests import ROOT


def run(name, *flags):
  """Runs `python -m experiments.NAME` in the clone, and returns its result."""
  return subprocess.run(
    [sys.executable, '-m', f'experiments.{name}', *flags],
    capture_output=True,
    check=False,
    cwd=ROOT,
    text=True,
    env=os.environ | {'JAX_PLATFORMS': 'cpu'},
  )
