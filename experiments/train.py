"""Trains a model.

python -m experiments.train --config=experiments/configs/celeba.py \
  --workdir=DIR --config.data.path=PATH

Any setting can be overridden: --config.gamma=1e-6. The same command resumes.
"""

from __future__ import annotations

import logging as std_logging
import sys

from absl import app, flags, logging
from ml_collections import config_flags

_CONFIG = config_flags.DEFINE_config_file(
  'config', None, 'The settings: a file of experiments/configs.'
)
_WORKDIR = flags.DEFINE_string(
  'workdir',
  None,
  "The run's folder, made if it does not exist.",
  required=True,
)


def main(argv: list[str]) -> None:
  """Trains, and names the report to open."""
  if argv[1:]:
    raise app.UsageError(f'unexpected arguments: {" ".join(argv[1:])}')
  from vaegan_jax import training

  # Orbax tells all it does; of others only warnings are of interest.
  logging.set_verbosity(logging.WARNING)
  logging.use_absl_handler()
  std_logging.getLogger('vaegan_jax').setLevel(std_logging.INFO)
  try:
    report = training.train(_CONFIG.value, _WORKDIR.value)
  except (ValueError, FileNotFoundError, training.Diverged) as error:
    sys.exit(f'Error: {error}')
  print(f'Open {report}')


if __name__ == '__main__':
  flags.mark_flag_as_required('config')
  app.run(main)
