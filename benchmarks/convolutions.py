"""Times weight gradients of the paper's layers: XLA's form against ours.

python -m benchmarks.convolutions [--batch=16] [--rounds=5]
"""

from __future__ import annotations

import functools

import jax
import numpy as np
from absl import app, flags

from benchmarks import timing
from vaegan_jax import convolution

_BATCH = flags.DEFINE_integer('batch', 16, 'Images of x.', lower_bound=1)
_ROUNDS = flags.DEFINE_integer('rounds', 5, 'Timed calls.', lower_bound=1)

# Pixels of the large map, its channels, those of the small one, streams.
LAYERS = {
  'Enc 1': (64, 3, 64, 1),
  'Enc 2': (32, 64, 128, 1),
  'Enc 3': (16, 128, 256, 1),
  'Dec 1': (16, 256, 256, 2),
  'Dec 2': (32, 128, 256, 2),
  'Dec 3': (64, 32, 128, 2),
  'Dis 1': (64, 32, 128, 3),
  'Dis 2': (32, 128, 256, 3),
  'Dis 3': (16, 256, 256, 3),
}


def _run(function, *arrays) -> None:
  jax.block_until_ready(function(*arrays))


def main(argv: list[str]) -> None:
  """Prints a row for each layer."""
  del argv
  draw = np.random.default_rng(0).normal
  print('layer   GFLOP   XLA ms  ours ms  ratio')
  for name, (size, large, small, streams) in LAYERS.items():
    batch = _BATCH.value * streams
    x = draw(size=(batch, size, size, large)).astype(np.float32)
    y = draw(size=(batch, size // 2, size // 2, small)).astype(np.float32)
    forms = {
      'xla': convolution.lax_weight_gradient,
      'ours': convolution.weight_gradient,
    }
    calls = {
      form: functools.partial(
        _run, jax.jit(functools.partial(f, size=5, stride=2)), x, y
      )
      for form, f in forms.items()
    }
    seconds = timing.alternate(calls, rounds=_ROUNDS.value)
    xla, ours = (1e3 * timing.median(seconds[form]) for form in forms)
    work = 2 * 25 * large * small * (size // 2) ** 2 * batch / 1e9
    print(f'{name:6} {work:6.1f} {xla:8.0f} {ours:8.0f} {xla / ours:6.2f}')


if __name__ == '__main__':
  app.run(main)
