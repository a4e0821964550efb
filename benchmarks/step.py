"""Times the reference's training step on this machine's devices.

python -m benchmarks.step [--batches=64,256,1024] [--sizes=64] [--rounds=20]

Prints, and writes to --output as JSON, the median time of a step, and images a
second for each size and batch. It is the
one command to run on an accelerator: it needs no data.
"""

from __future__ import annotations

import json
import pathlib
import sys

import jax
import numpy as np
from absl import app, flags

from benchmarks import timing
from experiments.configs import celeba
from vaegan_jax import settings, training
from vaegan_jax.data import batches

_BATCHES = flags.DEFINE_list('batches', ['16', '64'], 'Images a step.')
_SIZES = flags.DEFINE_list('sizes', ['64'], 'Pixels a side.')
_ROUNDS = flags.DEFINE_integer('rounds', 5, 'Timed steps.', lower_bound=1)
_OUTPUT = flags.DEFINE_string('output', '', 'A JSON file to write.')


def our_step(size: int, batch: int):
  """Makes a function that does one step of the reference, and waits."""
  config = settings.change(
    celeba.get_config(),
    {
      'batch_size': batch,
      'data.size': (size, size),
      'data.source': 'faces',
      'data.jitter': False,
    },
  )
  run = training.prepare(config)
  pixels = np.random.default_rng(0).integers(
    0, 256, (batch, size, size, 3), np.uint8
  )
  data = batches.Batch(jax.device_put(pixels, run.compiled.sharded), None)
  state = [run.state]

  def step():
    state[0], metrics = run.compiled.step(state[0], data)
    jax.block_until_ready((state, metrics))

  return step


def main(argv: list[str]) -> None:
  """Times every size and batch."""
  del argv
  rows = []
  for size in map(int, _SIZES.value):
    for batch in map(int, _BATCHES.value):
      name = f'{size}x{size}, batch {batch}'
      seconds = timing.alternate(
        {name: our_step(size, batch)}, rounds=_ROUNDS.value
      )[name]
      median = timing.median(seconds)
      rows.append(
        {
          'size': size,
          'batch': batch,
          'seconds': seconds,
          'images_per_second': batch / median,
        }
      )
      print(f'{name}: {1e3 * median:.1f} ms, {batch / median:.1f} images/s')
  if _OUTPUT.value:
    about = {
      'command': sys.argv,
      'device': jax.devices()[0].device_kind,
      'devices': len(jax.devices()),
      'jax': jax.__version__,
      'rows': rows,
    }
    pathlib.Path(_OUTPUT.value).write_text(json.dumps(about, indent=2))


if __name__ == '__main__':
  app.run(main)
