"""Evaluates a trained model: samples, reconstructions and attributes.

python -m experiments.evaluate --workdir=DIR

Writes DIR/evaluation.json, which also holds the values of real images.
"""

from __future__ import annotations

import json
import pathlib

from absl import flags

from experiments import launch
from vaegan_jax.files import paths

_WORKDIR = flags.DEFINE_string(
  'workdir', None, 'Folder of a run or an exported model.', required=True
)
_DATA_PATH = flags.DEFINE_string(
  'data_path',
  None,
  'The images, if they are elsewhere than in training; as config.data.path.',
)
_IMAGES = flags.DEFINE_integer(
  'images', 2_000, 'The maximum number of test images.', lower_bound=20
)
_RUNS = flags.DEFINE_integer(
  'runs',
  10,
  'Images per attribute vector, for a conditional model.',
  lower_bound=1,
  upper_bound=1_000,
)
_ORACLE_STEPS = flags.DEFINE_integer(
  'oracle_steps',
  2_000,
  'Training steps of the predictor of attributes.',
  lower_bound=1,
)
_INCEPTION = flags.DEFINE_string(
  'inception',
  None,
  "For the FID: Inception's weights, from experiments.convert_inception.",
)
_SHA256 = flags.DEFINE_string(
  'inception_sha256',
  None,
  'The SHA-256 of that file, as the converter printed it.',
)
_SEED = flags.DEFINE_integer(
  'seed',
  0,
  'The seed of the samples.',
  lower_bound=0,
  upper_bound=2**32 // 1_000 - 1,
)


def main(argv: list[str]) -> None:
  """Prints and writes the measures of a run."""
  launch.refuse_arguments(argv)
  with launch.session():
    _evaluate(paths.absolute(_WORKDIR.value, name='--workdir'))


def _evaluate(workdir: pathlib.Path) -> None:
  from vaegan_jax import loading
  from vaegan_jax.config import build, schema
  from vaegan_jax.evaluation import studies, suite
  from vaegan_jax.evaluation.features import inception
  from vaegan_jax.files import atomic
  from vaegan_jax.report import measures
  from vaegan_jax.runs import config_file

  extract = None
  if _INCEPTION.value is not None and _SHA256.value is not None:
    extract = inception.load(
      paths.absolute(_INCEPTION.value, name='--inception'),
      sha256=_SHA256.value,
    )
  elif (_INCEPTION.value, _SHA256.value) != (None, None):
    raise ValueError(
      '--inception and --inception_sha256 go together: give both, or neither'
    )
  config = config_file.read(workdir)
  if _DATA_PATH.value is not None:
    config = schema.change(config, {'data.path': _DATA_PATH.value})
  source = build.source(config)
  model = loading.load(workdir)
  study = studies.prepare(
    source,
    directory=build.cache_directory(config),
    images=_IMAGES.value,
    oracle_steps=_ORACLE_STEPS.value,
    inception=extract,
  )
  if study.oracle is not None:
    for name, value in study.oracle.validation.means().items():
      print(f'Predictor of attributes, held-out {name}: {value:.3f}')
  references = suite.references(
    study, runs=_RUNS.value, names=model.attribute_names
  )
  found = suite.evaluate(model, study, runs=_RUNS.value, seed=_SEED.value)
  path = workdir / measures.NAME
  conditions = suite.conditions(study, runs=_RUNS.value)
  about = {
    'step': model.step,
    'seed': _SEED.value,
    **conditions,
    'real': study.real().kind,
    'copies': study.copies,
    'given': bool(model.attribute_names),
  }
  content = {'about': about, 'model': found, **references}
  atomic.write_text(path, json.dumps(content, indent=2) + '\n')
  for table in measures.make(
    measures.Measures(about, found, references['real'])
  ):
    print(table.text())
  if 'samples/fid' in found:
    count = len(study.test.images)
    print(f'FID falls with the number of images: this one is of {count}.')
  print(f'Wrote {path}')


if __name__ == '__main__':
  launch.run(main)
