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
from absl import app, flags

from benchmarks import ours, timing

_BATCHES = flags.DEFINE_list('batches', ['16', '64'], 'Images a step.')
_SIZES = flags.DEFINE_list('sizes', ['64'], 'Pixels a side.')
_ROUNDS = flags.DEFINE_integer('rounds', 5, 'Timed steps.', lower_bound=1)
_OUTPUT = flags.DEFINE_string('output', '', 'A JSON file to write.')


def main(argv: list[str]) -> None:
  """Times every size and batch."""
  del argv
  rows = []
  for size in map(int, _SIZES.value):
    for batch in map(int, _BATCHES.value):
      name = f'{size}x{size}, batch {batch}'
      seconds = timing.alternate(
        {name: ours.our_step(size, batch)}, rounds=_ROUNDS.value
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
