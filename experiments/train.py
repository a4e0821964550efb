"""Trains a model.

python -m experiments.train --config=experiments/configs/celeba.py \
  --workdir=DIR --config.data.path=PATH

Flags override settings: --config.gamma=1e-6. The same command resumes the run,
and a larger --config.steps lengthens it.
For several hosts, start the same command on each with --multihost.
"""

from __future__ import annotations

from typing import Any

from absl import app, flags
from ml_collections import config_flags

from experiments import launch

_CONFIG = config_flags.DEFINE_config_file(
  'config', None, 'A name in experiments/configs, such as celeba; or a file.'
)
_WORKDIR = flags.DEFINE_string(
  'workdir',
  None,
  'Folder of the run; created if missing.',
  required=True,
)

_MULTIHOST = flags.DEFINE_bool(
  'multihost',
  False,
  'Whether this is one of several processes of a run.',
)
_COORDINATOR = flags.DEFINE_string(
  'coordinator',
  None,
  'With --multihost: HOST:PORT of process 0. Slurm, TPU pods, Open MPI and '
  'Kubernetes provide it, as well as --processes and --process.',
)
_PROCESSES = flags.DEFINE_integer(
  'processes', None, 'With --multihost: number of processes.'
)
_PROCESS = flags.DEFINE_integer(
  'process', None, 'With --multihost: index of this process.'
)


def main(argv: list[str]) -> None:
  """Trains a model and prints the path of the report."""
  launch.refuse_arguments(argv)
  with launch.session(join=_join()):
    from vaegan_jax.distributed import processes
    from vaegan_jax.training import loop

    report = loop.train(_CONFIG.value, _WORKDIR.value, notice=launch.NOTICE)
    if processes.is_primary():
      print(f'Open {report}')


def _join() -> dict[str, Any] | None:
  given = {
    'coordinator_address': _COORDINATOR.value,
    'num_processes': _PROCESSES.value,
    'process_id': _PROCESS.value,
  }
  if _MULTIHOST.value:
    return given
  if any(value is not None for value in given.values()):
    raise app.UsageError(
      '--coordinator, --processes and --process need --multihost'
    )
  return None


if __name__ == '__main__':
  flags.mark_flag_as_required('config')
  launch.run(main)
