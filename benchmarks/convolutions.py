"""Times the convolutions of a config's layers: XLA's form against ours.

python -m benchmarks.convolutions [--config=experiments/configs/celeba.py]
  [--batch=16] [--rounds=5]

Seconds are those of the processor, summed over its cores: other work on the
machine disturbs them less than the time that passes. GFLOP/s are per core.
"""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Callable, Sequence

import jax
import numpy as np
from absl import app, flags
from ml_collections import config_flags

from benchmarks import layers, timing
from experiments import launch
from vaegan_jax.ops import convolution

_CONFIG = config_flags.DEFINE_config_file(
  'config', 'experiments/configs/celeba.py', 'Config of the networks.'
)
_BATCH = flags.DEFINE_integer('batch', 16, 'Images of x.', lower_bound=1)
_ROUNDS = flags.DEFINE_integer('rounds', 5, 'Timed calls.', lower_bound=1)


def forms(stride: int) -> dict[str, tuple[Sequence[str], Callable, Callable]]:
  """Returns, by operation, the names of the arrays, XLA's form and ours."""
  weights = {'size': 5, 'stride': stride}
  return {
    'convolve': (
      ('x', 'kernel'),
      functools.partial(convolution.lax_convolve, stride=stride),
      lambda x, kernel: convolution.convolve(x, kernel, stride),
    ),
    'transpose': (
      ('y', 'kernel'),
      functools.partial(convolution.lax_transpose, stride=stride),
      lambda y, kernel: convolution.transpose(y, kernel, stride),
    ),
    'weights': (
      ('x', 'y'),
      functools.partial(convolution.lax_weight_gradient, **weights),
      functools.partial(convolution.weight_gradient, **weights),
    ),
  }


def main(_: list[str]) -> None:
  """Prints a row for each layer and operation."""
  launch.compute_on_calling_thread()  # as a launcher does
  draw = np.random.default_rng(0).standard_normal
  print('layer  operation  GFLOP   XLA ms  ours ms  ratio  ours GFLOP/s')
  for name, size, large, small, streams, stride in layers.convolutions(
    _CONFIG.value
  ):
    batch, outputs = _BATCH.value * streams, size // stride
    arrays = {
      'x': draw((batch, size, size, large), np.float32),
      'kernel': draw((5, 5, large, small), np.float32),
      'y': draw((batch, outputs, outputs, small), np.float32),
    }
    work = 2 * 25 * large * small * outputs**2 * batch / 1e9
    for operation, (names, *both) in forms(stride).items():
      xla, ours = _time(both, [jax.device_put(arrays[n]) for n in names])
      print(
        f'{name:6} {operation:10} {work:5.2f} {1e3 * xla:8.1f} '
        f'{1e3 * ours:8.1f} {xla / ours:6.2f} {work / ours:10.0f}'
      )


def _time(both: Sequence[Callable], arrays: Sequence[jax.Array]) -> list[float]:
  """Returns the median seconds of forms, which alternate."""
  jitted = map(jax.jit, both)
  calls = {
    str(i): lambda form=form: jax.block_until_ready(form(*arrays))
    for i, form in enumerate(jitted)
  }
  seconds = timing.alternate(
    calls, rounds=_ROUNDS.value, clock=time.process_time
  )
  return [statistics.median(each) for each in seconds.values()]


if __name__ == '__main__':
  app.run(main)
