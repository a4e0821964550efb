"""Launchers start fast and limit the size of the compilation cache."""

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
  """Runs Python and returns its output and the packages that it imports."""
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
    ('export', 'model'),
    ('report', 'workdir'),
    ('explore', 'output'),
    ('generate', 'images'),
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


def test_help_after_a_config_does_not_load_it():
  config = '--config=experiments/configs/demo.py'
  printed, imported = start('-m', 'experiments.train', config, '--help')
  assert '--workdir' in printed
  assert not imported & HEAVY


def test_importing_the_package_imports_nothing_heavy():
  program = 'import vaegan_jax; print(dir(vaegan_jax))'
  printed, imported = start('-c', program)
  assert 'load' in printed
  assert not imported & HEAVY


def test_training_starts_without_the_packages_of_its_report():
  _, imported = start('-c', 'import vaegan_jax.training.loop')
  assert {'jax', 'optax', 'orbax'} <= imported
  assert not imported & {'matplotlib', 'scipy', 'tensorboardX', 'torch'}


@pytest.mark.parametrize(('limit', 'kept'), [(200, 2), (250, 2), (400, 4)])
def test_the_least_recently_used_programs_are_deleted(tmp_path, limit, kept):
  for age in range(4):
    file = tmp_path / f'{age}-cache'
    file.write_bytes(bytes(100))
    os.utime(file, (1e9 - age, 1e9 - age))
  launch.drop_oldest(tmp_path, limit=limit)
  assert {file.name for file in tmp_path.iterdir()} == {
    f'{age}-cache' for age in range(kept)
  }


def test_a_missing_cache_is_ignored(tmp_path):
  launch.drop_oldest(tmp_path / 'none_yet', limit=100)


@pytest.mark.skipif(not FULL.exists(), reason='needs /dev/full of Linux')
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


def test_a_path_that_this_user_may_not_use_is_refused(capsys):
  with pytest.raises(SystemExit) as ended, launch.session():
    raise PermissionError(13, 'Permission denied', '/locked')
  assert ended.value.code == 1
  assert "'/locked': let this user read or write it" in capsys.readouterr().err
