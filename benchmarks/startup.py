"""Times what comes before the training: help, first step, data.

python -m benchmarks.startup [--batch=16] [--celeba=PATH] [--record=FILE]

Prints each figure beside its goal, and writes all to --record as JSON. The
first step is that of experiments.train with the reference's settings, from the
start of the command until the step's numbers are on disk: once with nothing
compiled before, and once more. Images are drawn, JPEGs as large as CelebA's;
with --celeba the cache is built of real ones.
"""

from __future__ import annotations

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import jax
import numpy as np
from absl import app, flags, logging

from benchmarks import jpegs, timing
from experiments import memory
from vaegan_jax.data import batches, cache
from vaegan_jax.data.sources import celeba

PARTS = ('help', 'step', 'batches', 'cache')
_LAUNCHERS = ('train', 'evaluate', 'reproduce', 'convert_inception')
_CONFIG = 'experiments/configs/celeba.py'
_ROOT = pathlib.Path(__file__).parents[1]

# Of the first step: a data set that nobody waits for.
_FEW_IMAGES = 200

_BATCH = flags.DEFINE_integer('batch', 16, 'Images a step.', lower_bound=2)
_CELEBA = flags.DEFINE_string('celeba', '', "CelebA's folder, or a part of it.")
_IMAGES = flags.DEFINE_integer(
  'images', 10_000, 'Images that are drawn without --celeba.', lower_bound=1
)
_PARTS = flags.DEFINE_list(
  'parts', list(PARTS), f'What to time, of {", ".join(PARTS)}.'
)
_RECORD = flags.DEFINE_string('record', '', 'A JSON file to write.')
flags.register_validator(
  'parts',
  lambda parts: set(parts) <= set(PARTS),
  f'expected some of {",".join(PARTS)}',
)


class Figure(NamedTuple):
  """What was measured.

  Attributes:
    name: of what.
    unit: 's', which had better be few, or 'images/s', better many.
    values: of each round.
    goal: what the median should reach; None if there is none.
  """

  name: str
  unit: str
  values: Sequence[float]
  goal: float | None

  def met(self) -> bool | None:
    """Says whether the median reaches its goal; None if there is none."""
    if self.goal is None:
      return None
    median = timing.median(list(self.values))
    return median <= self.goal if self.unit == 's' else median >= self.goal

  def line(self) -> str:
    """Writes it as a row of a table."""
    verdict = {None: '', True: 'met', False: 'MISSED'}[self.met()]
    goal = '' if self.goal is None else f'{self.goal:,.0f}'
    median = timing.median(list(self.values))
    shown = f'{median:.2f}' if self.unit == 's' else f'{median:,.0f}'
    return f'{self.name:52} {shown:>12} {self.unit:9} {goal:>8} {verdict}'


def time_help(*, rounds: int = 3) -> Iterator[Figure]:
  """Times the help of each launcher, in processes of their own."""
  for launcher in _LAUNCHERS:
    command = [sys.executable, '-m', f'experiments.{launcher}', '--help']
    seconds = []
    for _ in range(rounds):
      start = time.perf_counter()
      # absl's help ends with 1.
      subprocess.run(command, check=False, cwd=_ROOT, capture_output=True)
      seconds.append(time.perf_counter() - start)
    yield Figure(f'{launcher} --help', 's', seconds, 2)


def time_first_step(*, batch: int, folder: pathlib.Path) -> Iterator[Figure]:
  """Times the first step of a run, without compiled programs and with them."""
  jpegs.write(folder / 'few', images=_FEW_IMAGES)
  for name, goal in (('nothing compiled before', 25), ('again', None)):
    seconds = first_step(batch=batch, folder=folder, workdir=folder / name)
    yield Figure(f'First step of {batch}, {name}', 's', [seconds], goal)


def first_step(
  *, batch: int, folder: pathlib.Path, workdir: pathlib.Path
) -> float:
  """Trains a step; gives the seconds until its numbers were written."""
  environment = dict(os.environ, XDG_CACHE_HOME=str(folder))
  for name in ('JAX_COMPILATION_CACHE_DIR', 'GLIBC_TUNABLES'):
    environment.pop(name, None)
  start = time.time()
  subprocess.run(
    [
      *(sys.executable, '-m', 'experiments.train', f'--config={_CONFIG}'),
      *(f'--workdir={workdir}', f'--config.data.path={folder / "few"}'),
      *(f'--config.batch_size={batch}', '--config.steps=1'),
    ],
    check=True,
    cwd=_ROOT,
    env=environment,
    capture_output=True,
  )
  return (workdir / 'metrics.jsonl').stat().st_mtime - start


def time_batches(
  *, sizes: Sequence[int] = (64, 1024), images: int = 20_000, rounds: int = 5
) -> Iterator[Figure]:
  """Times batches of 64x64 images from host memory, and from the device."""
  pixels = np.random.default_rng(0).integers(
    0, 256, (images, 64, 64, 3), np.uint8
  )
  dataset = cache.Dataset(pixels, None, (), 'noise', 'train', digest='')
  for where, resident, goal in (
    ('host memory', 0, 100_000),
    ('the device', pixels.nbytes, None),
  ):
    for size in sizes:
      feed = batches.Batches(
        dataset, seed=0, batch_size=size, resident=resident
      )
      speeds = [
        _speed(feed, size=size, steps=max(1, images // size), first=i)
        for i in range(rounds)
      ]
      feed.close()
      yield Figure(f'Batches of {size} from {where}', 'images/s', speeds, goal)


def _speed(
  feed: batches.Batches, *, size: int, steps: int, first: int
) -> float:
  """Makes the batches of an epoch; gives images a second."""
  start = time.perf_counter()
  for step in range(first * steps, (first + 1) * steps):
    jax.block_until_ready(feed(step).pixels)
  return size * steps / (time.perf_counter() - start)


def time_cache(path: pathlib.Path, *, folder: pathlib.Path) -> Iterator[Figure]:
  """Times the building of the cache of a CelebA, all its splits."""
  source = celeba.CelebA(path, (64, 64))
  splits = [s for s in ('train', 'test') if source.length(s)]
  count = sum(map(source.length, splits))
  start = time.perf_counter()
  for split in splits:
    cache.load(source, split=split, directory=folder, progress=False)
  seconds = time.perf_counter() - start
  goal = 12 * count / 10_000
  yield Figure(f'Cache of {count:,} CelebA images', 's', [seconds], goal)


def measure(parts: Sequence[str], folder: pathlib.Path) -> Iterator[Figure]:
  """Measures what is asked for."""
  if 'help' in parts:
    yield from time_help()
  if 'step' in parts:
    yield from time_first_step(batch=_BATCH.value, folder=folder)
  if 'batches' in parts:
    yield from time_batches()
  if 'cache' in parts:
    path = pathlib.Path(_CELEBA.value).expanduser()
    if not _CELEBA.value:
      path = folder / 'celeba'
      jpegs.write(path, images=_IMAGES.value)
    yield from time_cache(path, folder=folder / 'cache')


def main(argv: list[str]) -> None:
  """Prints a table, and writes it."""
  del argv
  logging.set_verbosity(logging.WARNING)  # of JAX that it found no TPU
  figures = []
  with tempfile.TemporaryDirectory() as folder:
    for figure in measure(_PARTS.value, pathlib.Path(folder)):
      print(figure.line(), flush=True)
      figures.append(figure._asdict() | {'met': figure.met()})
  if _RECORD.value:
    about = {
      'command': sys.argv,
      'device': jax.devices()[0].device_kind,
      'cores': os.cpu_count(),
      'jax': jax.__version__,
      'figures': figures,
    }
    text = json.dumps(about, indent=2) + '\n'
    pathlib.Path(_RECORD.value).write_text(text)


if __name__ == '__main__':
  memory.keep()  # as a launcher does
  app.run(main)
