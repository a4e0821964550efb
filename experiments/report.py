"""Writes the report of a run at any time, also of one that is still training.

python -m experiments.report --workdir=DIR

Draws the pictures of the newest checkpoint, and writes DIR/report.html.
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
  from vaegan_jax.report import run_figures, run_page
  from vaegan_jax.runs import checkpoints

  if checkpoints.exist(workdir):
    export = code_statistics.read(workdir)
    model = inference.Model(export)
    test = code_statistics.load_split(export, split='test')
    examples = run_figures.examples(test.with_attributes(model.attribute_names))
    run_figures.draw_final(model, examples, workdir=workdir)
  print(f'Wrote {run_page.write(workdir)}')


if __name__ == '__main__':
  launch.run(main)
