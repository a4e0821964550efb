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
from vaegan_jax.ops import convolution

_BATCH = flags.DEFINE_integer('batch', 16, 'Images of x.', lower_bound=1)
_ROUNDS = flags.DEFINE_integer('rounds', 5, 'Timed calls.', lower_bound=1)

# Pixels of the large map, channels of it and the small one, streams, stride.
LAYERS = {
  'Enc 1': (64, 3, 64, 1, 2),
  'Enc 2': (32, 64, 128, 1, 2),
  'Enc 3': (16, 128, 256, 1, 2),
  'Dec 1': (16, 256, 256, 2, 2),
  'Dec 2': (32, 128, 256, 2, 2),
  'Dec 3': (64, 32, 128, 2, 2),
  'Dec 4': (64, 32, 3, 2, 1),
  'Dis 0': (64, 3, 32, 3, 1),
  'Dis 1': (64, 32, 128, 3, 2),
  'Dis 2': (32, 128, 256, 3, 2),
  'Dis 3': (16, 256, 256, 3, 2),
}


Forms = Mapping[str, Callable[..., jax.Array]]


def operations(stride: int) -> dict[str, tuple[Forms, tuple[str, str]]]:
  """Names operations; of each XLA's form, ours, and which arrays they take."""
  weights = {'size': 5, 'stride': stride}
  return {
    'convolve': (
      {
        'xla': functools.partial(convolution.lax_convolve, stride=stride),
        'ours': lambda x, kernel: convolution.convolve(x, kernel, stride),
      },
      ('x', 'kernel'),
    ),
    'transpose': (
      {
        'xla': functools.partial(convolution.lax_transpose, stride=stride),
        'ours': lambda y, kernel: convolution.transpose(y, kernel, stride),
      },
      ('y', 'kernel'),
    ),
    'weights': (
      {
        'xla': functools.partial(convolution.lax_weight_gradient, **weights),
        'ours': functools.partial(convolution.weight_gradient, **weights),
      },
      ('x', 'y'),
    ),
  }


def main(argv: list[str]) -> None:
  """Prints a row for each layer and operation."""
  del argv
  memory.compute_here()
  print('layer  operation  GFLOP   XLA ms  ours ms  ratio  ours GFLOP/s')
  for name, (size, large, small, streams, stride) in LAYERS.items():
    batch, outputs = _BATCH.value * streams, size // stride
    arrays = _draw(
      {
        'x': (batch, size, size, large),
        'kernel': (5, 5, large, small),
        'y': (batch, outputs, outputs, small),
      }
    )
    work = 2 * 25 * large * small * outputs**2 * batch / 1e9
    for operation, (forms, takes) in operations(stride).items():
      xla, ours = _time(forms, [arrays[one] for one in takes])
      print(
        f'{name:6} {operation:10} {work:5.1f} {1e3 * xla:8.0f} '
        f'{1e3 * ours:8.0f} {xla / ours:6.2f} {work / ours:10.0f}'
      )


def _draw(shapes: Mapping[str, tuple[int, ...]]) -> dict[str, jax.Array]:
  draw = np.random.default_rng(0).normal
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
