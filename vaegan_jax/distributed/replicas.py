"""Finds devices whose copy of a replicated tree differs from the others'."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import multihost_utils
from jaxtyping import Array, PyTree, UInt32


def differing(tree: PyTree) -> tuple[int, ...]:
  """Returns the ids of the devices whose copy is not that of the majority.

  Each device holds the whole tree and computes the same update of it, so a copy
  that differs in one bit means a faulty device or a fault in the program. All
  processes of a run must call this at the same step.
  """
  checksums = _checksums(tree)
  if len(checksums.sharding.device_set) == 1:
    return ()
  shards = sorted(checksums.addressable_shards, key=lambda s: s.device.id)
  rows = [(shard.device.id, *np.asarray(shard.data)) for shard in shards]
  ids, *columns = multihost_utils.process_allgather(
    np.array(rows, np.uint32), tiled=True
  ).T
  copies = list(zip(*(column.tolist() for column in columns), strict=True))
  majority = max(copies, key=copies.count)
  return tuple(
    int(i) for i, copy in zip(ids, copies, strict=True) if copy != majority
  )


@jax.jit
def _checksums(tree: PyTree) -> UInt32[Array, ' leaves']:
  """Sums the bits of each array: on each device those of its own copy."""
  leaves = jax.tree.leaves(tree)
  return jnp.stack([_bits(leaf).sum(dtype=jnp.uint32) for leaf in leaves])


def _bits(x: Array) -> UInt32[Array, '...']:
  if jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key):
    x = jax.random.key_data(x)
  if x.dtype == jnp.bool_:
    return x.astype(jnp.uint32)
  return lax.bitcast_convert_type(x, jnp.uint32)
