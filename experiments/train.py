"""Trains a model.

python -m experiments.train --config=experiments/configs/celeba.py \
  --workdir=DIR --config.data.path=PATH

Any setting can be overridden: --config.gamma=1e-6. The same command resumes.
"""

from __future__ import annotations

from absl import flags
from ml_collections import config_flags

from experiments import launch

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
  launch.refuse_arguments(argv)
  with launch.session():
    from vaegan_jax import training

    report = training.train(_CONFIG.value, _WORKDIR.value, notice=launch.NOTICE)
    print(f'Open {report}')


if __name__ == '__main__':
  flags.mark_flag_as_required('config')
  launch.run(main)
