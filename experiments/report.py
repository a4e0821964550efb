"""Writes the report of a run at any time, also of one that is still training.

python -m experiments.report --workdir=DIR
python -m experiments.report --workdir=DIR --every=60

Draws the pictures of the newest checkpoint, and writes DIR/report.html and, to
explore its model, DIR/explore.html. With --every, it does so again and again
until the run has ended, and the page loads itself again in the browser.
"""

from __future__ import annotations

import pathlib
import time

from absl import flags

from experiments import launch
from vaegan_jax.files import paths

_WORKDIR = flags.DEFINE_string(
  'workdir', None, 'Folder of the run.', required=True
)
_EVERY = flags.DEFINE_integer(
  'every',
  None,
  'Seconds between two reports of a run that goes on; one report without it.',
  lower_bound=1,
)


def main(argv: list[str]) -> None:
  """Writes the report of a run."""
  launch.refuse_arguments(argv)
  with launch.session():
    workdir = paths.absolute(_WORKDIR.value, name='--workdir')
    while not _report(workdir, every=_EVERY.value) and _EVERY.value:
      time.sleep(_EVERY.value)


def _report(workdir: pathlib.Path, *, every: int | None) -> bool:
  """Writes a report; returns whether the run has ended."""
  from vaegan_jax.evaluation import code_statistics
  from vaegan_jax.report import run_page
  from vaegan_jax.runs import checkpoints, config_file, exports, records
  from vaegan_jax.training import final_pages

  if exports.exists(workdir):
    raise ValueError(
      f'{workdir} is an exported model, which has no log: read its README.md, '
      'or take experiments.explore'
    )
  if checkpoints.exist(workdir):
    export = code_statistics.read(workdir)
    held_out = code_statistics.load_held_out(export)
    path = final_pages.write(export, held_out, workdir=workdir, refresh=every)
  else:
    path = run_page.write(workdir, refresh=every)
  rows = records.read_rows(workdir / records.METRICS)
  print(f'Wrote {path}', flush=True)
  return bool(rows) and rows[-1]['step'] >= config_file.read(workdir).steps


if __name__ == '__main__':
  launch.run(main)
