"""Measures a trained model: its samples, reconstructions and attributes.

python -m experiments.evaluate --workdir=DIR

Writes DIR/evaluation.json. What can be measured of real images stands beside.
"""

from __future__ import annotations

import json
import pathlib

from absl import flags

from experiments import launch

_WORKDIR = flags.DEFINE_string(
  'workdir', None, 'The folder of the run.', required=True
)
_IMAGES = flags.DEFINE_integer(
  'images', 2_000, 'Test images, and samples, at most.', lower_bound=20
)
_RUNS = flags.DEFINE_integer(
  'runs',
  10,
  'Images of each attribute vector, of a conditional model.',
  lower_bound=1,
)
_ORACLE_STEPS = flags.DEFINE_integer(
  'oracle_steps',
  2_000,
  'Batches that the predictor of attributes is trained for.',
  lower_bound=1,
)
_INCEPTION = flags.DEFINE_string(
  'inception',
  None,
  "Inception's weights, as experiments.convert_inception writes them: for FID.",
)
_SHA256 = flags.DEFINE_string(
  'inception_sha256', None, 'The sum of that file, as the converter printed it.'
)
_SEED = flags.DEFINE_integer('seed', 0, 'Of the samples.', lower_bound=0)


def main(argv: list[str]) -> None:
  """Prints and writes every measure of a run."""
  launch.refuse_arguments(argv)
  with launch.session():
    _evaluate(pathlib.Path(_WORKDIR.value))


def _evaluate(workdir: pathlib.Path) -> None:
  from vaegan_jax import inference
  from vaegan_jax.config import build
  from vaegan_jax.evaluation import suite
  from vaegan_jax.evaluation.features import inception
  from vaegan_jax.files import atomic
  from vaegan_jax.runs import config_file

  extract = None
  if _INCEPTION.value is not None:
    extract = inception.load(
      pathlib.Path(_INCEPTION.value), sha256=_SHA256.value or ''
    )
  config = config_file.read(workdir)
  model = inference.load(workdir)
  study = suite.prepare(
    build.source(config),
    directory=build.cache_directory(config),
    images=_IMAGES.value,
    oracle_steps=_ORACLE_STEPS.value,
  )
  if study.judge is not None:
    for name, value in study.judge.held_out.means().items():
      print(f'Predictor of attributes, held-out {name}: {value:.3f}')
  real = suite.references(study, runs=_RUNS.value)
  found = suite.measure(model, study, runs=_RUNS.value, seed=_SEED.value)
  if extract is not None:
    found['samples/fid'] = suite.fid(
      model, study, features=extract, seed=_SEED.value
    )
  print(f'{"measure":55} {"model":>10} {"real":>10}')
  for name, value in found.items():
    beside = f'{real["real"][name]:10.4f}' if name in real['real'] else ''
    print(f'{name:55} {value:10.4f} {beside}')
  path = workdir / 'evaluation.json'
  about = {'step': model.step, 'images': len(study.test.images)}
  text = json.dumps({'about': about, 'model': found, **real}, indent=2)
  atomic.write_text(path, text + '\n')
  print(f'Wrote {path}')


if __name__ == '__main__':
  launch.run(main)
