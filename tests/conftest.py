"""Settings of all tests: types are checked, small programs compile fast."""

import os
from importlib import metadata

from tests import ROOT

# XLA takes most of the time of these tests. Without its optimiser and its
# fusion emitters it takes a quarter of that. JAX reads the flags when it is
# imported, and an unknown one ends the process.
FLAGS = [
  '--xla_backend_optimization_level=0',
  '--xla_cpu_parallel_codegen_split_count=1',
]
if metadata.version('jaxlib').startswith('0.10.'):
  FLAGS.append('--xla_cpu_use_fusion_emitters=false')
os.environ['XLA_FLAGS'] = ' '.join([os.environ.get('XLA_FLAGS', ''), *FLAGS])

# Programs compiled once are found again, by later tests and later runs; those
# of less than a fifth of a second are not worth a file.
os.environ.setdefault('JAX_COMPILATION_CACHE_DIR', str(ROOT / '.jax_cache'))
os.environ.setdefault('JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS', '0.2')

import jax
import jaxtyping
import pytest

from tests import hints

jaxtyping.install_import_hook('vaegan_jax', f'{hints.__name__}.check')


@pytest.fixture(scope='session')
def drawn(tmp_path_factory):
  """A folder of drawn faces for all tests of all workers: 2000 take seconds."""
  base = tmp_path_factory.getbasetemp()
  return (
    base.parent if 'PYTEST_XDIST_WORKER' in os.environ else base
  ) / 'drawn'


@pytest.fixture(scope='session')
def small_run(drawn, tmp_path_factory):
  """A finished run of four steps, which tests read and do not change."""
  from tests import small
  from vaegan_jax.training import loop

  folder = tmp_path_factory.mktemp('small') / 'run'
  loop.train(small.config(drawn, steps=4), folder)
  return folder


@pytest.fixture(scope='module')
def world(tmp_path_factory):
  """Starts runs that can be killed."""
  from tests import faults, forks

  with forks.ForkServer() as server:
    yield faults.World(tmp_path_factory.mktemp('faults'), server)


@pytest.fixture
def unchecked():
  """Lets wrong types in, as without the checks, to see our own errors."""
  jaxtyping.config.update('jaxtyping_disable', True)
  yield
  jaxtyping.config.update('jaxtyping_disable', False)


@pytest.fixture
def float64():
  """Computes in float64, where the rounding of a processor does not matter."""
  with jax.enable_x64(True):
    yield
