"""Launchers start light, and keep what is compiled within bounds."""

import os
import pathlib
import subprocess
import sys

import pytest

from experiments import launch
from tests import ROOT

FULL = pathlib.Path('/dev/full')
HEAVY = {'flax', 'jax', 'matplotlib', 'optax', 'orbax', 'scipy', 'tensorflow'}
HEAVY |= {'tensorboardX', 'tensorflow_datasets', 'torch'}


def start(*words):
  """Runs Python; gives what it printed, and the packages it imported."""
  result = subprocess.run(
    [sys.executable, '-X', 'importtime', *words],
    capture_output=True,
    text=True,
    check=False,
    cwd=ROOT,
  )
  lines = [s for s in result.stderr.splitlines() if s.startswith('import time')]
  modules = (line.rpartition('|')[2].strip() for line in lines)
  return result.stdout, {module.partition('.')[0] for module in modules}


@pytest.mark.parametrize(
  ('launcher', 'flag'),
  [
    ('train', 'config'),
    ('evaluate', 'oracle_steps'),
    ('reproduce', 'config'),
    ('plan', 'topology'),
    ('convert_inception', 'weights'),
  ],
)
def test_help_imports_nothing_heavy(launcher, flag):
  printed, imported = start('-m', f'experiments.{launcher}', '--help')
  assert f'--{flag}' in printed
  assert 'absl' in imported
  assert not imported & HEAVY


def test_help_after_a_config_does_not_read_it():
  config = '--config=experiments/configs/demo.py'
  printed, imported = start('-m', 'experiments.train', config, '--help')
  assert '--workdir' in printed
  assert not imported & HEAVY


def test_the_package_is_light_until_it_is_used():
  program = 'import vaegan_jax; print(dir(vaegan_jax))'
  printed, imported = start('-c', program)
  assert 'load' in printed
  assert not imported & HEAVY


def test_training_begins_without_what_only_its_end_needs():
  _, imported = start('-c', 'import vaegan_jax.training.loop')
  assert {'jax', 'optax', 'orbax'} <= imported
  assert not imported & {'matplotlib', 'scipy', 'tensorboardX', 'torch'}


def test_programs_used_longest_ago_make_room(tmp_path):
  for age in range(4):
    file = tmp_path / f'{age}-cache'
    file.write_bytes(bytes(100))
    os.utime(file, (1e9 - age, 1e9 - age))
  launch.drop_oldest(tmp_path, limit=250)
  assert {file.name for file in tmp_path.iterdir()} == {'0-cache', '1-cache'}


def test_programs_within_the_limit_stay(tmp_path):
  (tmp_path / 'a-cache').write_bytes(bytes(100))
  launch.drop_oldest(tmp_path, limit=100)
  launch.drop_oldest(tmp_path / 'none_yet', limit=100)
  assert (tmp_path / 'a-cache').exists()


@pytest.mark.skipif(not FULL.exists(), reason='a device of Linux')
def test_a_log_on_a_full_disk_does_not_change_the_exit_code():
  program = """
from experiments import launch
with launch.session():
  raise OSError(28, 'No space left on device')
"""
  with FULL.open('w') as log:
    result = subprocess.run(
      [sys.executable, '-c', program], stderr=log, check=False, cwd=ROOT
    )
  assert result.returncode == 74
