"""A launcher works, or says why not, whatever the environment is like."""

import os
import subprocess
import sys

import pytest

from tests import ROOT

CONFIG = """
from tests import small
def get_config():
  return small.config(steps=2, picture_every=2, data__cache={cache!r})
"""
ASCII = {'PYTHONIOENCODING': 'ascii', 'LC_ALL': 'C'}

# Variables (None: unset), and words of stderr.
SURROUNDINGS = {
  'x64': ({'JAX_ENABLE_X64': '1'}, 'JAX_ENABLE_X64=True is ignored'),
  'precision': (
    {'JAX_DEFAULT_MATMUL_PRECISION': 'highest'},
    'JAX_DEFAULT_MATMUL_PRECISION=highest: runs without it',
  ),
  'seed offset': (
    {'JAX_RANDOM_SEED_OFFSET': '7'},
    'JAX_RANDOM_SEED_OFFSET=7 is ignored',
  ),
  'prng': ({'JAX_DEFAULT_PRNG_IMPL': 'rbg'}, 'JAX_DEFAULT_PRNG_IMPL=rbg is'),
  'notebook': ({'MPLBACKEND': 'module://matplotlib_inline.backend_inline'}, ''),
  'screen': ({'MPLBACKEND': 'tkagg', 'DISPLAY': ''}, ''),
  'no home': ({'HOME': None, 'XDG_CACHE_HOME': None}, ''),
  'home is no folder': ({'HOME': '/dev/null', 'XDG_CACHE_HOME': ''}, ''),
  'ascii': (ASCII, ''),
  'hash seed': ({'PYTHONHASHSEED': '7', 'TZ': 'Nowhere/Land'}, ''),
}


@pytest.fixture(scope='module')
def trained(tmp_path_factory):
  """Runs a launcher in an environment; the metrics are those of the first."""
  folder = tmp_path_factory.mktemp('environments')
  config = folder / 'small_config.py'
  cache = str(folder / 'größe')
  config.write_text(CONFIG.replace('{cache!r}', ascii(cache)))
  metrics = []

  def train(name, variables):
    environment = os.environ | {'PYTHONPATH': str(ROOT)} | variables
    workdir = folder / f'run ü {name}'
    result = subprocess.run(
      [sys.executable, '-m', 'experiments.train', f'--config={config}',
       f'--workdir={workdir}/'],
      env={k: v for k, v in environment.items() if v is not None},
      capture_output=True, check=False, cwd=folder, encoding='utf-8',
      errors='replace',
    )  # fmt: skip
    if result.returncode == 0:
      metrics.append((workdir / 'metrics.jsonl').read_text())
      assert metrics[-1] == metrics[0]
    return result

  assert train('plain', {}).returncode == 0
  return train


@pytest.mark.slow
@pytest.mark.parametrize('name', SURROUNDINGS)
def test_a_run_has_the_same_results_in_any_environment(name, trained):
  variables, message = SURROUNDINGS[name]
  result = trained(name, variables)
  assert result.returncode == 0, result.stderr
  assert result.stdout.startswith('Open ')
  assert message in result.stderr
  assert 'Traceback' not in result.stderr


@pytest.mark.slow
def test_a_missing_device_is_one_line(trained):
  result = trained('cuda', {'JAX_PLATFORMS': 'cuda'})
  assert result.returncode == 1
  assert 'Traceback' not in result.stderr
  last = result.stderr.splitlines()[-1]
  assert last.startswith('Error: JAX finds no device (JAX_PLATFORMS=cuda)')


def test_a_reader_that_goes_away_ends_the_program_quietly():
  program = """
import sys
from experiments import launch
sys.argv = ['program']
launch.run(lambda argv: print('x' * 100_000))
"""
  with subprocess.Popen(
    [sys.executable, '-c', program],
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
    cwd=ROOT,
    text=True,
  ) as process:
    process.stdout.close()
    assert process.stderr.read() == ''
  assert process.returncode == 141


def test_an_encoding_without_a_character_does_not_end_the_program():
  program = """
import sys
from experiments import launch
sys.argv = ['program']
launch.run(lambda argv: print('1 \\xb1 2'))
"""
  result = subprocess.run(
    [sys.executable, '-c', program],
    env=os.environ | ASCII,
    capture_output=True,
    check=True,
    cwd=ROOT,
    text=True,
  )
  assert result.stdout == '1 ? 2\n'


def fail(error):
  """Runs a launcher that raises an error."""
  program = f"""
import jax
from experiments import launch
with launch.session():
  raise {error}
"""
  return subprocess.run(
    [sys.executable, '-c', program],
    capture_output=True,
    check=False,
    cwd=ROOT,
    text=True,
  )


def test_a_device_that_fails_asks_for_another_start():
  result = fail("jax.errors.JaxRuntimeError('INTERNAL: ECC error')")
  assert result.returncode == 75
  assert 'Traceback' in result.stderr
  last = result.stderr.splitlines()[-1]
  assert last.startswith('Error: a device failed; the same command resumes')


@pytest.mark.parametrize(
  ('error', 'code', 'message'),
  [
    ("jax.errors.JaxRuntimeError('RESOURCE_EXHAUSTED: 9 GiB')", 1, 'EXHAUSTED'),
    ("MemoryError('no room for 9 GiB')", 1, 'no room for 9 GiB'),
  ],
)
def test_memory_that_does_not_suffice_is_one_line(error, code, message):
  result = fail(error)
  assert result.returncode == code
  assert 'Traceback' not in result.stderr
  assert message in result.stderr.splitlines()[-1]
