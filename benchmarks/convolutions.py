"""Times the convolutions of the paper's layers: XLA's form against ours.

python -m benchmarks.convolutions [--batch=16] [--rounds=5]
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np
from absl import app, flags

from benchmarks import timing
from experiments import memory
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


Forms = Mapping[str, Callable[..., jax.Array]]

# Of each operation: XLA's form, ours, and which of x, kernel and y they take.
OPERATIONS: dict[str, tuple[Forms, tuple[str, str]]] = {
  'convolve': (
    {
      'xla': functools.partial(convolution.lax_convolve, stride=2),
      'ours': lambda x, kernel: convolution.convolve(x, kernel, 2),
    },
    ('x', 'kernel'),
  ),
  'transpose': (
    {
      'xla': functools.partial(convolution.lax_transpose, stride=2),
      'ours': lambda y, kernel: convolution.transpose(y, kernel, 2),
    },
    ('y', 'kernel'),
  ),
  'weights': (
    {
      'xla': functools.partial(
        convolution.lax_weight_gradient, size=5, stride=2
      ),
      'ours': functools.partial(convolution.weight_gradient, size=5, stride=2),
    },
    ('x', 'y'),
  ),
}


def main(argv: list[str]) -> None:
  """Prints a row for each layer and operation."""
  del argv
  print('layer  operation  GFLOP   XLA ms  ours ms  ratio  ours GFLOP/s')
  for name, (size, large, small, streams) in LAYERS.items():
    batch = _BATCH.value * streams
    arrays = _draw(size, large, small=small, batch=batch)
    work = 2 * 25 * large * small * (size // 2) ** 2 * batch / 1e9
    for operation, (forms, takes) in OPERATIONS.items():
      xla, ours = _time(forms, [arrays[one] for one in takes])
      print(
        f'{name:6} {operation:10} {work:5.1f} {1e3 * xla:8.0f} '
        f'{1e3 * ours:8.0f} {xla / ours:6.2f} {work / ours:10.0f}'
      )


def _draw(
  size: int, large: int, *, small: int, batch: int
) -> dict[str, jax.Array]:
  draw = np.random.default_rng(0).normal
  shapes = {
    'x': (batch, size, size, large),
    'kernel': (5, 5, large, small),
    'y': (batch, size // 2, size // 2, small),
  }
  return {
    name: jnp.asarray(draw(size=shape), jnp.float32)
    for name, shape in shapes.items()
  }


def _time(forms: Forms, arrays: list[jax.Array]) -> list[float]:
  """Gives the median seconds of each form, called in turn."""

  def call(form: Callable[..., jax.Array]) -> None:
    jax.block_until_ready(form(*arrays))

  calls = {
    name: functools.partial(call, jax.jit(form)) for name, form in forms.items()
  }
  seconds = timing.alternate(calls, rounds=_ROUNDS.value)
  return [timing.median(seconds[name]) for name in forms]


if __name__ == '__main__':
  memory.keep()  # as a launcher does
  app.run(main)
