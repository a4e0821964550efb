"""What the machine can do at most: a large matrix product, a large copy."""

from __future__ import annotations

import time
from collections.abc import Callable

# The largest of a few: a ceiling is what was reached, however rarely.
_ROUNDS = 5
_SIZE = {'cpu': 2048}
_ACCELERATOR_SIZE = 8192
_COPIED = {'cpu': 1 << 28}
_ACCELERATOR_COPIED = 1 << 31


def with_jax() -> dict[str, float]:
  """Measures with JAX: see `_ceilings`."""
  import jax
  import jax.numpy as jnp

  product, add = jax.jit(jnp.matmul), jax.jit(lambda x: x + 1)

  def multiply(size: int, dtype: str) -> Callable[[], None]:
    x = jnp.ones((size, size), dtype)
    return lambda: product(x, x).block_until_ready()

  def copy(count: int) -> Callable[[], None]:
    x = jnp.ones(count, jnp.float32)
    return lambda: add(x).block_until_ready()

  return _ceilings(multiply, copy=copy, platform=jax.default_backend())


def with_torch() -> dict[str, float]:
  """Measures with PyTorch: see `_ceilings`."""
  import torch

  cuda = torch.cuda.is_available()
  device = 'cuda' if cuda else 'cpu'

  def waiting(function: Callable) -> Callable[[], None]:
    def call() -> None:
      function()
      if cuda:
        torch.cuda.synchronize()

    return call

  def multiply(size: int, dtype: str) -> Callable[[], None]:
    x = torch.ones(size, size, dtype=getattr(torch, dtype), device=device)
    return waiting(lambda: x @ x)

  def copy(count: int) -> Callable[[], None]:
    x = torch.ones(count, device=device)
    y = torch.empty_like(x)
    return waiting(lambda: y.copy_(x))

  return _ceilings(multiply, copy=copy, platform='gpu' if cuda else 'cpu')


MEASURES = {'jax': with_jax, 'torch': with_torch}


def _ceilings(
  multiply: Callable[[int, str], Callable[[], None]],
  *,
  copy: Callable[[int], Callable[[], None]],
  platform: str,
) -> dict[str, float]:
  """Measures rates.

  Args:
    multiply: gives a call that multiplies two square matrices.
    copy: gives a call that reads and writes an array of float32.
    platform: of the framework.

  Returns:
    'float32' and, on accelerators, 'bfloat16': floating point operations a
    second of a matrix product (with TF32, where the framework takes it by
    itself or was told to); 'copy': bytes read and written a second.
  """
  size = _SIZE.get(platform, _ACCELERATOR_SIZE)
  dtypes = ('float32',) if platform == 'cpu' else ('float32', 'bfloat16')
  rates = {
    dtype: 2 * size**3 / _fastest(multiply(size, dtype)) for dtype in dtypes
  }
  copied = _COPIED.get(platform, _ACCELERATOR_COPIED)
  return rates | {'copy': 2 * copied / _fastest(copy(copied // 4))}


def _fastest(call: Callable[[], None]) -> float:
  call()
  seconds = []
  for _ in range(_ROUNDS):
    start = time.perf_counter()
    call()
    seconds.append(time.perf_counter() - start)
  return min(seconds)
