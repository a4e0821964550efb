"""Makes images with a trained model, as PNG files.

python -m experiments.generate --workdir=DIR --output=FOLDER
python -m experiments.generate --workdir=DIR --output=FOLDER --images=PHOTOS
python -m experiments.generate --workdir=DIR --output=FOLDER --images=PHOTOS \
  --edit=Smiling=1.5,Eyeglasses=-1

DIR is a run, one of its checkpoints (DIR/checkpoints/STEP), or an exported
model. Without images, FOLDER gets samples, a sheet of the first ones, and a
walk between codes as GIF. With images, it gets their codes (codes.npz) and
reconstructions, and, with --edit, the images changed by multiples of attribute
vectors. Images are cropped and resized as those of a folder are for training.
"""

from __future__ import annotations

import collections
import csv
import logging
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
from absl import flags

from experiments import launch
from vaegan_jax.files import paths

_WORKDIR = flags.DEFINE_string(
  'workdir', None, 'Folder of a run, a checkpoint or a model.', required=True
)
_OUTPUT = flags.DEFINE_string(
  'output', None, 'Folder for the images; must be empty.', required=True
)
_IMAGES = flags.DEFINE_string(
  'images', None, 'Folder of images to encode; samples are drawn without it.'
)
_EDIT = flags.DEFINE_string(
  'edit', '', 'Multiples of attribute vectors: Smiling=1.5,Eyeglasses=-1.'
)
_ATTRIBUTES = flags.DEFINE_string(
  'attributes', '', 'For a conditional model: Male=1,Age=0.3; others are 0.'
)
_COUNT = flags.DEFINE_integer('count', 64, 'Samples.', lower_bound=1)
_SEED = flags.DEFINE_integer(
  'seed', 0, 'Of the samples.', lower_bound=0, upper_bound=2**32 - 1
)
_PRIOR = flags.DEFINE_enum(
  'prior',
  'normal',
  ['normal', 'fitted'],
  'N(0, I), or a Gaussian fitted to the codes of training images.',
)
_COLUMNS = 12
_FRAMES, _SECONDS = 90, 9.0
_LOGGER = logging.getLogger(__name__)


def main(argv: list[str]) -> None:
  """Writes images."""
  launch.refuse_arguments(argv)
  with launch.session():
    output = paths.absolute(_OUTPUT.value, name='--output')
    if output.exists() and not output.is_dir():
      raise ValueError(f'--output={output} is a file: name a folder')
    if output.exists() and any(output.iterdir()):
      raise ValueError(f'{output} is not empty: name another --output')
    workdir = paths.absolute(_WORKDIR.value, name='--workdir')
    if _IMAGES.value is None:
      _sample(workdir, output)
    else:
      _change(workdir, output, paths.absolute(_IMAGES.value, name='--images'))
    print(f'Wrote {output}')


def _sample(workdir: pathlib.Path, output: pathlib.Path) -> None:
  """Writes samples, a sheet of them, and a walk."""
  from vaegan_jax.evaluation import code_statistics
  from vaegan_jax.report import figures, walks

  if _EDIT.value:
    raise ValueError('--edit changes images: give it a folder of --images')
  fits = _PRIOR.value == 'fitted'
  model = code_statistics.load(workdir, fits=fits)
  prior, row = None, _row(model.attribute_names)
  if fits:
    prior = model.fitted_prior
    if prior is None:
      raise ValueError(
        f'--prior=fitted: the model in {workdir} has no fitted prior, as a GAN '
        'has no encoder; leave the flag out to sample N(0, I)'
      )
  count, seed = _COUNT.value, _SEED.value
  made = model.sample(count, _repeat(row, count), prior=prior, seed=seed)
  for i, pixels in enumerate(made):
    figures.save(output / f'sample_{i:05d}.png', pixels)
  sheet = figures.grid(made[: 10 * _COLUMNS], columns=_COLUMNS)
  figures.save(output / 'sheet.png', sheet)
  frames = model.walk(
    _FRAMES,
    walkers=_COLUMNS // 2,
    attributes=_repeat(row, _COLUMNS // 2),
    prior=prior,
    seed=seed,
  )
  path = output / 'walk.gif'
  walks.save(path, frames, columns=_COLUMNS // 2, seconds=_SECONDS)


def _change(
  workdir: pathlib.Path, output: pathlib.Path, folder: pathlib.Path
) -> None:
  """Writes codes and reconstructions of images, and edits of them."""
  from vaegan_jax.evaluation import code_statistics
  from vaegan_jax.report import figures

  for flag in (_COUNT, _SEED, _PRIOR):
    if flag.present:
      raise ValueError(
        f'--{flag.name} is for samples: leave it or --images out'
      )
  changes = _numbers(_EDIT.value, flag='edit')
  model = code_statistics.load(workdir, fits=bool(changes))
  names, images = _read(folder, shape=model.image_shape)
  attributes = _repeat(_row(model.attribute_names), len(images))
  edited = model.edit(images, changes) if changes else None
  mean, log_var = model.posterior(images, attributes)
  made = {'reconstructions': model.decode(mean, attributes)}
  if edited is not None:
    made['edited'] = edited
  files = _as_png(names)
  for kind, pictures in made.items():
    for name, pixels in zip(files, pictures, strict=True):
      figures.save(output / kind / name, pixels)
  np.savez(
    output / 'codes.npz', names=np.array(names), mean=mean, log_var=log_var
  )


def _as_png(names: Sequence[str]) -> list[str]:
  """Returns names in .png; those of a.jpg and a.bmp keep both endings."""
  plain = [str(pathlib.PurePath(name).with_suffix('.png')) for name in names]
  count = collections.Counter(plain)
  return [
    short if count[short] == 1 else f'{name}.png'
    for name, short in zip(names, plain, strict=True)
  ]


def _read(
  folder: pathlib.Path, *, shape: tuple[int, int, int]
) -> tuple[list[str], np.ndarray]:
  """Reads the images of a folder; those that are broken are left out."""
  from vaegan_jax.data.images import (
    archives,
    decoding,
    defects,
    resizing,
    trees,
  )

  if not folder.is_dir():
    raise ValueError(f'--images={folder} is not a folder: name one of images')
  tree = trees.scan(folder)
  if tree.left_out:
    _LOGGER.warning('Left out: %s.', tree.describe())
  names, images = [], []
  for name in tree.files:
    try:
      data = archives.read_file(folder / name, name)
      pixels = decoding.decode(data, channels=shape[2], name=name)
    except defects.BrokenImage as error:
      _LOGGER.warning('Left out: %s', error)
      continue
    names.append(name)
    images.append(resizing.fit(pixels, shape[:2]))
  if not names:
    raise ValueError(
      f'--images={folder} has no image that can be read: name a folder of them'
    )
  return names, np.stack(images)


def _row(names: tuple[str, ...]) -> np.ndarray | None:
  """Returns the attributes of a conditional model from the flag."""
  given = _numbers(_ATTRIBUTES.value, flag='attributes')
  if unknown := [*given.keys() - set(names)]:
    raise ValueError(
      f'--attributes names {", ".join(unknown)}: this model is conditional on '
      f'{", ".join(names) or "no attribute"}'
    )
  if not names:
    return None
  return np.array([given.get(name, 0.0) for name in names], np.float32)


def _repeat(row: np.ndarray | None, count: int) -> np.ndarray | None:
  return None if row is None else np.tile(row, (count, 1))


def _numbers(text: str, *, flag: str) -> Mapping[str, float]:
  """Reads 'Smiling=1.5,Eyeglasses=-1', a row of CSV."""
  found = {}
  [parts] = csv.reader([text], skipinitialspace=True)
  for part in filter(None, (part.strip() for part in parts)):
    name, _, number = part.rpartition('=')
    try:
      found[name.strip()] = float(number)
    except ValueError as error:
      raise ValueError(
        f'--{flag}={text}: expected NAME=NUMBER, separated by commas; in '
        'double quotes if the name has a comma'
      ) from error
  return found


if __name__ == '__main__':
  launch.run(main)
