"""Explains that the memory of the devices does not suffice."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import jax

from vaegan_jax.config import build
from vaegan_jax.config.schema import Config

# The prefix of XLA's out-of-memory errors, in compilation and at run time.
_EXHAUSTED = 'RESOURCE_EXHAUSTED'


@contextlib.contextmanager
def explain_exhaustion(config: Config) -> Iterator[None]:
  """Names the batch that does not fit, and what to do.

  Raises:
    MemoryError: XLA ran out of memory in the block.
  """
  try:
    yield
  except jax.errors.JaxRuntimeError as error:
    if _EXHAUSTED not in str(error):
      raise
    devices = jax.device_count()
    each = -(-config.batch_size // devices)
    height, width = build.size(config)
    raise MemoryError(
      f'config.batch_size = {config.batch_size} images of {height}x{width}, '
      f'{each} on each of {devices} devices ({jax.devices()[0].device_kind}), '
      f'do not fit into their memory: {_remedies(config)}. JAX reports: '
      f'{str(error).strip().splitlines()[0]}'
    ) from error


def _remedies(config: Config) -> str:
  remedies = ['use a smaller config.batch_size or more devices']
  if not config.recompute:
    remedies.append('set config.recompute=True, which changes no result')
  if config.data.resident:
    remedies.append('keep the images in host memory by config.data.resident=0')
  if config.dtype == 'float32':
    remedies.append('train with config.dtype=bfloat16')
  remedies.append('or end other programs on the devices')
  return '; '.join(remedies)
