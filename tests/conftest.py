"""Settings of all tests: types are checked, small programs compile fast."""

import os
import pathlib

# Half the time of these tests is XLA's optimiser; set before jax is imported.
os.environ['XLA_FLAGS'] = ' '.join(
  [os.environ.get('XLA_FLAGS', ''), '--xla_backend_optimization_level=0']
)

# Programs compiled once are found again, by later tests and later runs.
root = pathlib.Path(__file__).parents[1]
os.environ.setdefault('JAX_COMPILATION_CACHE_DIR', str(root / '.jax_cache'))

import jaxtyping
import pytest

from tests import hints

jaxtyping.install_import_hook('vaegan_jax', f'{hints.__name__}.check')


@pytest.fixture
def unchecked():
  """Lets wrong types in, as without the checks, to see our own errors."""
  jaxtyping.config.update('jaxtyping_disable', True)
  yield
  jaxtyping.config.update('jaxtyping_disable', False)
