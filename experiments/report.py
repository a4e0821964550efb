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
  from vaegan_jax import inference
  from vaegan_jax.evaluation import code_statistics
  from vaegan_jax.report import run_page
  from vaegan_jax.runs import checkpoints, exports
  from vaegan_jax.training import final_pages

  if not checkpoints.exist(workdir):
    path = run_page.write(workdir)
  else:
    export = exports.read(workdir)
    train, test = (
      code_statistics.load_split(export, split=split)
      for split in ('train', 'test')
    )
    path = final_pages.write(
      inference.from_export(export),
      export.config,
      train=train,
      test=test,
      workdir=workdir,
    )
  print(f'Wrote {path}')


if __name__ == '__main__':
  launch.run(main)
