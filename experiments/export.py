"""Writes a trained model into a folder that can be shared and loaded anywhere.

python -m experiments.export --workdir=DIR --model=FOLDER

FOLDER gets the weights (model.safetensors), the settings (config.json), a model
card (README.md), with the measures of DIR/evaluation.json if it exists,
pictures, of real people if the data show some, and explore.html, a page that
computes the model in the browser. The weights come with a Gaussian
fitted to the codes of training images, and with the attribute vectors of
labelled data. vaegan_jax.load(FOLDER) reads it.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from absl import flags

from experiments import launch
from vaegan_jax.files import paths

if TYPE_CHECKING:
  from vaegan_jax.runs import exports

_WORKDIR = flags.DEFINE_string(
  'workdir', None, 'Folder of the run, or DIR/checkpoints/STEP.', required=True
)
_MODEL = flags.DEFINE_string(
  'model', None, 'Folder of the model; must hold none yet.', required=True
)
_HALF = flags.DEFINE_bool(
  'half', False, 'Store float16: half the size, and about 3 digits.'
)
_PICTURES = 'pictures'


def main(argv: list[str]) -> None:
  """Exports the model of a run."""
  launch.refuse_arguments(argv)
  with launch.session():
    _export(
      paths.absolute(_WORKDIR.value, name='--workdir'),
      paths.absolute(_MODEL.value, name='--model'),
      half=_HALF.value,
    )


def _export(
  workdir: pathlib.Path, folder: pathlib.Path, *, half: bool = False
) -> None:
  from experiments import export_pictures
  from vaegan_jax import inference
  from vaegan_jax.config import schema
  from vaegan_jax.evaluation import code_statistics
  from vaegan_jax.report import explore_page, run_figures
  from vaegan_jax.runs import exports

  exports.refuse(folder)
  export = code_statistics.read(workdir)
  model = inference.Model(export)
  held_out = code_statistics.load_held_out(export)
  captions = export_pictures.draw(folder / _PICTURES, model, held_out)
  settings = schema.flatten(export.config)
  shows = explore_page.shows_images(settings, shared=True)
  explore_page.write(
    explore_page.path_in(folder),
    model,
    settings,
    held_out=run_figures.examples(held_out) if shows else None,
  )
  card = _card(_run_of(workdir), export, captions)
  exports.write(folder, export, card=card, half=half)
  print(f'Wrote {folder}')


def _run_of(path: pathlib.Path) -> pathlib.Path:
  from vaegan_jax.runs import checkpoints

  return checkpoints.split(path)[0]


def _card(
  run: pathlib.Path, export: exports.Export, captions: Mapping[str, str]
) -> str:
  """Describes a model in Markdown, from the files of its run."""
  from experiments import export_pictures
  from vaegan_jax.runs import exports

  lines = [
    exports.card(export),
    'Open [explore.html](explore.html) to explore it in a browser.',
    '',
    *_training(run, export),
    *export_pictures.markdown(captions, folder=_PICTURES),
    *_measures(run, export),
  ]
  return '\n'.join(lines) + '\n'


def _training(run: pathlib.Path, export: exports.Export) -> Iterator[str]:
  from vaegan_jax.runs import records, speed

  config = export.config
  pace = speed.read(run, batch_size=config.batch_size, last=export.step)
  line = (
    f'Trained for {export.step:,} of {config.steps:,} steps of '
    f'{config.batch_size} images, {export.step * config.batch_size:,} in all, '
    f'with seed {config.seed} and the settings in config.json'
  )
  if pace is not None:
    line += f', in {speed.duration(pace.seconds)} on {", ".join(pace.devices)}'
  yield line + '.'
  # A resumed run does not read the weights again: the first start names them.
  for start in records.read_rows(run / records.STARTS)[:1]:
    for origin in start.get('weights', ()):
      yield (
        f'The {" and ".join(origin["networks"])} started from the weights of '
        f'{pathlib.Path(origin["run"]).name}, step {origin["step"]:,}.'
      )
  yield ''


def _measures(run: pathlib.Path, export: exports.Export) -> Iterator[str]:
  """Yields the tables of the run's evaluation, if it is of this step."""
  from vaegan_jax.report import measures

  found = measures.read(run)
  if found is not None and found.about['step'] == export.step:
    for table in measures.make(found):
      yield table.markdown()


if __name__ == '__main__':
  launch.run(main)
