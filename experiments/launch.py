"""What every launcher does first, and how it says what went wrong."""

from __future__ import annotations

import contextlib
import logging as std_logging
import os
import sys
from collections.abc import Iterator

from absl import app, logging


def refuse_arguments(argv: list[str]) -> None:
  """Refuses words that are no flags, which would go unnoticed."""
  if argv[1:]:
    raise app.UsageError(f'unexpected arguments: {" ".join(argv[1:])}')


@contextlib.contextmanager
def session() -> Iterator[None]:
  """Shows progress, keeps what is compiled, ends in one line on an error."""
  import jax

  from vaegan_jax import training
  from vaegan_jax.data import cache

  # Orbax tells all it does; of others only warnings are of interest.
  logging.set_verbosity(logging.WARNING)
  logging.use_absl_handler()
  std_logging.getLogger('vaegan_jax').setLevel(std_logging.INFO)
  std_logging.getLogger('experiments').setLevel(std_logging.INFO)
  if 'JAX_COMPILATION_CACHE_DIR' not in os.environ:
    folder = cache.default_directory() / 'compiled'
    jax.config.update('jax_compilation_cache_dir', str(folder))
  try:
    yield
  except (ValueError, FileNotFoundError, training.Diverged) as error:
    sys.exit(f'Error: {error}')
