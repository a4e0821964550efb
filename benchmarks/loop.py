"""The training loop itself, with its batches, and what a schedule would take.

Runs the training loop on a few thousand embedded faces, and reads the speed
from the records of the run, compiling apart.
"""

from __future__ import annotations

import contextlib
import io
import pathlib
import tempfile
from typing import Any

import jax

from benchmarks import reference
from experiments.configs import celeba
from vaegan_jax.config import build
from vaegan_jax.report import speed
from vaegan_jax.runs import records
from vaegan_jax.training import loop

_FACES = 4096
# Steps, and those between two readings: long enough for the speed to settle;
# on a CPU just enough to have one.
_STRETCH = {'cpu': (9, 3)}
_ACCELERATOR_STRETCH = (1000, 200)
# Of the reference on accelerators.
_FAST = {'dtype': 'bfloat16', 'steps_per_dispatch': 10}


def measure(size: int, batch: int) -> dict[str, Any]:
  """Trains for a stretch.

  Args:
    size: pixels a side.
    batch: images a step.

  Returns:
    'steps' trained, the 'changes' of the reference, 'images_per_second', and
    'schedule_minutes': extrapolated to all the reference's steps.
  """
  platform = jax.default_backend()
  steps, every = _STRETCH.get(platform, _ACCELERATOR_STRETCH)
  changes = {} if platform == 'cpu' else dict(_FAST)
  whole = celeba.get_config()
  with tempfile.TemporaryDirectory() as folder:
    workdir = pathlib.Path(folder) / 'run'
    config = build.change(
      whole,
      {
        **reference.DELTA,
        **changes,
        'data.size': (size, size),
        'data.faces': _FACES,
        'data.cache': folder,
        'batch_size': batch,
        'steps': steps,
        'log_every': every,
        'picture_every': steps,
        'save_every': steps,
      },
    )
    # The loop's own progress would break into ours.
    with contextlib.redirect_stderr(io.StringIO()):
      loop.train(config, workdir)
    timing = records.read_rows(workdir / records.TIMING)
  pace = speed.summarise(timing, batch_size=batch)
  seconds = whole.steps * batch / pace.images_per_second
  return {
    'size': size,
    'batch': batch,
    'steps': steps,
    'changes': changes,
    'images_per_second': pace.images_per_second,
    'schedule_steps': whole.steps,
    'schedule_minutes_extrapolated': seconds / 60,
  }
