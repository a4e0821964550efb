"""Times a checkpoint of the paper's networks: copied, written, verified, read.

python -m benchmarks.saving
"""

from __future__ import annotations

import pathlib
import tempfile
import time

import jax
from absl import app, flags, logging

from benchmarks import timing
from experiments.configs import faces
from vaegan_jax.files import checksums
from vaegan_jax.runs import checkpoints
from vaegan_jax.training import setup

_SAVES = flags.DEFINE_integer('saves', 3, 'How many are timed.', lower_bound=1)


def main(_: list[str]) -> None:
  """Prints the median seconds of each part."""
  logging.set_verbosity(logging.WARNING)  # Orbax tells all it does
  run = setup.prepare(faces.get_config())
  state = jax.block_until_ready(run.initialise())
  with tempfile.TemporaryDirectory() as folder:
    saved = checkpoints.Checkpoints(pathlib.Path(folder), identity={})
    saved.save(state, step=0)  # imports and opens what the others find there
    saved.wait()
    seconds: dict[str, list[float]] = {'copied': [], 'on disk': []}
    for step in range(1, 1 + _SAVES.value):
      start = time.perf_counter()
      saved.save(state, step=step)
      seconds['copied'].append(time.perf_counter() - start)
      saved.wait()
      seconds['on disk'].append(time.perf_counter() - start)
    newest = pathlib.Path(folder) / 'checkpoints' / str(_SAVES.value)
    seconds |= timing.alternate(
      {
        'verified': lambda: checksums.verify(newest),
        'restored': lambda: saved.restore(state),
      },
      rounds=_SAVES.value,
    )
    saved.close()
  size = sum(x.nbytes for x in jax.tree.leaves(state.networks)) / 1e6
  print(f'{size:.0f} MB of parameters, statistics and optimizers, seconds:')
  for name, taken in seconds.items():
    print(f'  {name:10} {timing.median(taken):6.2f}')


if __name__ == '__main__':
  app.run(main)
