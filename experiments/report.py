"""Writes the report of a run at any time, also of one that is still training.

python -m experiments.report --workdir=DIR

Draws the pictures of the newest checkpoint, and writes DIR/report.html and, to
explore its model, DIR/explore.html.
"""

from __future__ import annotations

import pathlib

from absl import flags

from experiments import launch
from vaegan_jax.files import paths

_WORKDIR = flags.DEFINE_string(
  'workdir', None, 'Folder of the run.', required=True
)


def main(argv: list[str]) -> None:
  """Writes the report of a run."""
  launch.refuse_arguments(argv)
  with launch.session():
    _report(paths.absolute(_WORKDIR.value, name='--workdir'))


def _report(workdir: pathlib.Path) -> None:
  from vaegan_jax.evaluation import code_statistics
  from vaegan_jax.report import run_page
  from vaegan_jax.runs import checkpoints
  from vaegan_jax.training import final_pages

  if checkpoints.exist(workdir):
    export = code_statistics.read(workdir)
    held_out = code_statistics.load_held_out(export)
    path = final_pages.write(export, held_out, workdir=workdir)
  else:
    path = run_page.write(workdir)
  print(f'Wrote {path}')


if __name__ == '__main__':
  launch.run(main)
