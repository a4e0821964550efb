"""Writes the Explore page of a run or of an exported model.

python -m experiments.explore --workdir=DIR
python -m experiments.explore --workdir=DIR --output=FILE.html

The page is one file, which computes Enc and Dec in the browser, without a
server: sliders for attribute vectors and for the leading directions of the
codes, held-out images, your own pictures and samples to start from. That of a
run holds held-out images of its data. Runs and exported models get a page when
they are written; this command writes one for a checkpoint (DIR is
RUN/checkpoints/STEP), or for an older run or model.
"""

from __future__ import annotations

import pathlib

from absl import flags

from experiments import launch
from vaegan_jax.files import paths

_WORKDIR = flags.DEFINE_string(
  'workdir', None, 'Folder of a run, a checkpoint or a model.', required=True
)
_OUTPUT = flags.DEFINE_string(
  'output', None, 'The page; explore.html in the run or the model if not given.'
)


def main(argv: list[str]) -> None:
  """Writes a page."""
  launch.refuse_arguments(argv)
  with launch.session():
    workdir = paths.absolute(_WORKDIR.value, name='--workdir')
    output = None
    if _OUTPUT.value is not None:
      output = paths.absolute(_OUTPUT.value, name='--output')
      if output.is_dir():
        raise ValueError(f'--output={output} is a folder: name a file in it')
    print(f'Wrote {_explore(workdir, output)}')


def _explore(
  workdir: pathlib.Path, output: pathlib.Path | None
) -> pathlib.Path:
  from vaegan_jax import inference
  from vaegan_jax.config import schema
  from vaegan_jax.evaluation import code_statistics
  from vaegan_jax.report import explore_page, run_figures
  from vaegan_jax.runs import checkpoints, exports

  shared = exports.exists(workdir)
  export = code_statistics.read(workdir)
  settings = schema.flatten(export.config)
  held_out = None
  if explore_page.shows_images(settings, shared=shared):
    held_out = run_figures.examples(code_statistics.load_held_out(export))
  folder = workdir if shared else checkpoints.split(workdir)[0]
  return explore_page.write(
    output or explore_page.path_in(folder),
    inference.Model(export),
    settings,
    held_out=held_out,
  )


if __name__ == '__main__':
  launch.run(main)
