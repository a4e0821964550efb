"""Times what surrounds the training steps: the start and the data.

python -m benchmarks.startup [--batch=16] [--celeba=PATH]

The first step is that of experiments.train with the reference's settings, on
embedded faces, from the start of the command until the step's metrics are on
disk: first with nothing compiled before, then again.
"""

from __future__ import annotations

import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence

import jax
import numpy as np
from absl import app, flags

from experiments.configs import celeba as reference
from vaegan_jax.config import build, schema
from vaegan_jax.data import batches, cache
from vaegan_jax.data.sources import celeba

_BATCH = flags.DEFINE_integer('batch', 16, 'Images a step.', lower_bound=2)
_CELEBA = flags.DEFINE_string(
  'celeba', '', "CelebA's folder, to time the building of its cache."
)

_IMAGES = 1_000  # to train on

# A name, and the seconds (of batches, images a second) of each round.
Figure = tuple[str, Sequence[float]]


def time_first_step(*, batch: int, folder: pathlib.Path) -> Iterator[Figure]:
  """Times the first step of a run, without compiled programs and with them."""
  environment = {'JAX_COMPILATION_CACHE_DIR': str(folder / 'compiled')}
  changes = {
    'data.source': 'faces',
    'data.faces': _IMAGES,
    'data.cache': str(folder / 'data'),
    'batch_size': batch,
    'steps': 1,
  }
  _draw(schema.change(reference.get_config(), changes))
  for name in ('nothing compiled before', 'again'):
    start, workdir = time.time(), folder / name
    subprocess.run(
      [
        *(sys.executable, '-m', 'experiments.train'),
        '--config=experiments/configs/celeba.py',
        f'--workdir={workdir}',
        *(f'--config.{name}={value}' for name, value in changes.items()),
      ],
      cwd=pathlib.Path(__file__).parents[1],
      env={**os.environ, **environment},
      capture_output=True,
      check=True,
    )
    seconds = (workdir / 'metrics.jsonl').stat().st_mtime - start
    yield f'first step of {batch}, {name}, s', [seconds]


def _draw(config: schema.Config) -> None:
  """Draws the images that a run loads."""
  for split in ('train', 'test'):
    cache.load(
      build.source(config),
      split=split,
      directory=build.cache_directory(config),
      progress=False,
    )


def time_batches(
  *, sizes: Sequence[int] = (64, 1024), images: int = 20_000, rounds: int = 5
) -> Iterator[Figure]:
  """Times batches of 64x64 images from host memory, and from the device."""
  draw = np.random.default_rng(0)
  pixels = draw.integers(0, 256, (images, 64, 64, 3), np.uint8)
  dataset = cache.Dataset(pixels, None, (), 'noise', 'train', digest='')
  for where, resident in (('host memory', 0), ('the device', pixels.nbytes)):
    for size in sizes:
      feed = batches.Batches(
        dataset, seed=0, batch_size=size, resident=resident
      )
      steps, rates = max(1, images // size), []
      for i in range(rounds):
        start = time.perf_counter()
        for step in range(i * steps, (i + 1) * steps):
          jax.block_until_ready(feed(step).pixels)
        rates.append(size * steps / (time.perf_counter() - start))
      feed.close()
      yield f'batches of {size} from {where}, images/s', rates


def time_cache(path: pathlib.Path, *, folder: pathlib.Path) -> Iterator[Figure]:
  """Times the building of the cache of a CelebA."""
  source = celeba.CelebA(path.expanduser(), (64, 64))
  start = time.perf_counter()
  cache.load(source, split='train', directory=folder, progress=False)
  seconds = time.perf_counter() - start
  yield f'cache of {source.length("train"):,} CelebA images, s', [seconds]


def main(_: list[str]) -> None:
  """Prints a table of medians."""
  with tempfile.TemporaryDirectory() as name:
    folder = pathlib.Path(name)
    parts = [time_first_step(batch=_BATCH.value, folder=folder), time_batches()]
    if _CELEBA.value:
      path = pathlib.Path(_CELEBA.value)
      parts.append(time_cache(path, folder=folder / 'cache'))
    for part in parts:
      for figure, values in part:
        print(f'{figure:52} {statistics.median(values):12,.2f}', flush=True)


if __name__ == '__main__':
  app.run(main)
