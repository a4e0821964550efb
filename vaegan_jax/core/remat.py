"""A pullback that recomputes activations instead of keeping them."""

from __future__ import annotations

from collections.abc import Callable

import jax
from jaxtyping import PyTree


def vjp(
  function: Callable, *primals: PyTree, recompute: bool
) -> tuple[PyTree, Callable, PyTree]:
  """Computes what `jax.vjp(function, *primals, has_aux=True)` does.

  With `recompute`, only the primals are kept until the first pull, which
  computes the activations anew; later pulls share them. The barrier prevents
  XLA from reusing the first computation. `jax.checkpoint` would recompute once
  per pull, and its barrier does not wait for the cotangent.

  Args:
    function: primals -> (output, auxiliary output).
    *primals: its arguments.
    recompute: whether to recompute.

  Returns:
    the output, the pull (cotangent -> cotangents of the primals), and the
    auxiliary output.
  """
  if not recompute:
    return jax.vjp(function, *primals, has_aux=True)
  output, aux = function(*primals)
  recomputed: list[Callable] = []

  def pull(cotangent: PyTree) -> tuple[PyTree, ...]:
    if not recomputed:
      cotangent, again = jax.lax.optimization_barrier((cotangent, primals))
      recomputed.append(jax.vjp(function, *again, has_aux=True)[1])
    return recomputed[0](cotangent)

  return output, pull, aux
