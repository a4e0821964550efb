"""Settings of all tests: types are checked, small programs compile fast."""

import os

# Half the time of these tests is XLA's optimiser; set before jax is imported.
os.environ['XLA_FLAGS'] = ' '.join(
  [os.environ.get('XLA_FLAGS', ''), '--xla_backend_optimization_level=0']
)

import jaxtyping

from tests import hints

jaxtyping.install_import_hook('vaegan_jax', f'{hints.__name__}.check')
