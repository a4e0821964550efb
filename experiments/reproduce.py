"""Reproduces the paper's comparison of four models: figures, table, claims.

python -m experiments.reproduce \
  --config=experiments/configs/reproduce_faces.py --workdir=DIR

With a config that lists changes, such as deviations.py, it trains one model
without and with each of them, and says which measures they move. The same
command resumes, and keeps finished runs and measures.
"""

from __future__ import annotations

from absl import flags
from ml_collections import config_flags

from experiments import launch

_CONFIG = config_flags.DEFINE_config_file(
  'config',
  None,
  'A name in experiments/configs, such as reproduce_faces; or a file.',
)
_WORKDIR = flags.DEFINE_string(
  'workdir', None, 'Folder of all runs; created if missing.', required=True
)


def main(argv: list[str]) -> None:
  """Trains and measures all models and prints the path of the report."""
  launch.refuse_arguments(argv)
  with launch.session():
    from experiments import ablation, reproduction

    study = ablation if 'changes' in _CONFIG.value else reproduction
    report = study.run(_CONFIG.value, _WORKDIR.value, notice=launch.NOTICE)
    print(f'Open {report}')


if __name__ == '__main__':
  flags.mark_flag_as_required('config')
  launch.run(main)
