"""A batch as a pure function of (seed, step), for any number of devices."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from concurrent import futures
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float32, Int32, Int64, UInt8

from vaegan_jax.data import cache
from vaegan_jax.distributed import parallel

# Batches that the thread makes ahead, where they are made on the host.
_AHEAD = 2


class Batch(NamedTuple):
  """What a training step gets: the whole batch, of all devices and hosts.

  Those of several steps may be stacked.

  Attributes:
    pixels: bytes, 0..255.
    attributes: a row an image, or None where the data has none.
  """

  pixels: UInt8[Array, '*steps batch height width channels']
  attributes: Float32[Array, '*steps batch attributes'] | None


def indices(
  *, seed: int, step: int, batch_size: int, length: int
) -> Int64[np.ndarray, ' batch']:
  """Chooses a step's images out of `length`, each once an epoch.

  The steps read one endless row of shuffled epochs, so a batch may span the
  end of one, and may be larger than the data.

  Args:
    seed: of the shuffling, not negative.
    step: counted from 0.
    batch_size: images of a step, over all devices and hosts.
    length: images of the data set.
  """
  if min(seed, step) < 0 or min(batch_size, length) < 1:
    raise ValueError(
      f'no batch of {batch_size} from {length} images at step {step} of seed '
      f'{seed}: sizes must be at least 1, seed and step at least 0'
    )
  positions = step * batch_size + np.arange(batch_size, dtype=np.int64)
  epochs, places = np.divmod(positions, length)
  chosen = np.empty_like(places)
  for epoch in np.unique(epochs):
    here = epochs == epoch
    chosen[here] = _permutation(seed, int(epoch), length)[places[here]]
  return chosen


@functools.lru_cache(maxsize=4)
def _permutation(seed: int, epoch: int, length: int) -> np.ndarray:
  # NumPy promises that the raw stream of Philox stays what it is for ever;
  # `Generator.permutation` may change with a version.
  noise = np.random.Philox(key=np.array([seed, epoch], np.uint64))
  return np.argsort(noise.random_raw(length), kind='stable')


class Batches:
  """Owns a data set's arrays and makes batches of them: `batches(step)`.

  Small data lives on the devices: then only the numbers of the rows travel.
  Large data stays on the host, each host gathers its devices' rows, and a
  thread makes the next batches meanwhile. Both give the same bytes.
  """

  def __init__(
    self,
    dataset: cache.Dataset,
    *,
    seed: int,
    batch_size: int,
    sharding: jax.sharding.Sharding | None = None,
    resident: int = 1 << 30,
    stacked: bool = False,
  ):
    """Puts small data on the devices.

    Args:
      dataset: where the rows come from.
      seed: of the shuffling.
      batch_size: images of a step, over all devices and hosts.
      sharding: of a batch, over its leading axis; one local device if None.
      resident: bytes of pixels up to which the data is copied to each device.
      stacked: whether a call gives the batches of several steps.

    Raises:
      ValueError: the batch does not divide among the devices.
    """
    self._seed, self._batch_size = seed, batch_size
    sharding = sharding or _one_device()
    self._sharding = _behind(sharding) if stacked else sharding
    self._stacked = stacked
    self._length = len(dataset.images)
    # Views without the subclass np.memmap, whose every slice costs more.
    self._arrays = [np.asarray(dataset.images).view(np.ndarray)]
    if dataset.attributes is not None:
      self._arrays.append(dataset.attributes.astype(np.float32))
    self._check(sharding)
    self._pool: futures.ThreadPoolExecutor | None = None
    self._made: dict[tuple[int, int], futures.Future[Batch]] = {}
    if dataset.images.nbytes <= resident:
      self._resident = [
        parallel.replicate(a.reshape(len(a), -1), self._sharding)
        for a in self._arrays
      ]
      shapes = [a.shape[1:] for a in self._arrays]
      self._gather = gatherer(shapes, sharding=self._sharding)
    else:
      self._pool = futures.ThreadPoolExecutor(1, 'batches')

  def __call__(self, step: int, count: int = 1) -> Batch:
    """Makes the batch of a step, on the devices.

    Args:
      step: counted from 0.
      count: where batches are stacked, how many, of this step and the next.
    """
    if self._pool is None:
      return self._from_device(step, count)
    made, steps = self._made, range(step, step + (1 + _AHEAD) * count, count)
    self._made = {
      (s, count): made.get((s, count))
      or self._pool.submit(self._from_host, s, count)
      for s in steps
    }
    return self._made.pop((step, count)).result()

  def planned(self, count: int = 1) -> Batch:
    """Gives the shapes, types and places of what a call gives.

    Args:
      count: where batches are stacked, of how many steps.
    """
    rows = (*((count,) if self._stacked else ()), self._batch_size)
    return _batch(
      [
        jax.ShapeDtypeStruct(
          (*rows, *a.shape[1:]), a.dtype, sharding=self._sharding
        )
        for a in self._arrays
      ]
    )

  def close(self) -> None:
    """Ends the thread, if there is one."""
    if self._pool is not None:
      self._pool.shutdown(cancel_futures=True)

  def _check(self, sharding: jax.sharding.Sharding) -> None:
    try:
      sharding.shard_shape((self._batch_size,))
    except ValueError as error:
      raise ValueError(
        f'a batch of {self._batch_size} does not divide among '
        f'{sharding.num_devices} devices; take a multiple'
      ) from error

  def _rows(self, step: int, count: int) -> np.ndarray:
    rows = [
      indices(
        seed=self._seed,
        step=s,
        batch_size=self._batch_size,
        length=self._length,
      )
      for s in range(step, step + count)
    ]
    return np.stack(rows) if self._stacked else rows[0]

  def _from_device(self, step: int, count: int) -> Batch:
    rows = self._rows(step, count).astype(np.int32)
    return _batch(
      self._gather(self._resident, parallel.replicate(rows, self._sharding))
    )

  def _from_host(self, step: int, count: int) -> Batch:
    rows = self._rows(step, count)
    return _batch(
      [_gathered(a, rows, like=self._sharding) for a in self._arrays]
    )


def gatherer(
  shapes: Sequence[tuple[int, ...]], *, sharding: jax.sharding.Sharding
) -> Callable[[list[Array], Array], list[Array]]:
  """Makes what gathers a batch from data on the devices.

  Images lie there as flat rows, as a TPU reads of these what it takes; an array
  of images it rearranges whole for each batch.

  Args:
    shapes: of an element of each array.
    sharding: of a batch.

  Returns:
    (flat arrays, rows) -> a batch's arrays.
  """

  def gather(
    arrays: list[Array], rows: Int32[Array, '*steps batch']
  ) -> list[Array]:
    return [
      jnp.take(array, rows, axis=0, mode='clip').reshape(*rows.shape, *shape)
      for array, shape in zip(arrays, shapes, strict=True)
    ]

  return jax.jit(gather, out_shardings=sharding)


def _batch(arrays: Sequence[Any]) -> Batch:
  return Batch(arrays[0], arrays[1] if len(arrays) > 1 else None)


def _one_device() -> jax.sharding.Sharding:
  return jax.sharding.SingleDeviceSharding(jax.local_devices()[0])


def _behind(like: jax.sharding.Sharding) -> jax.sharding.Sharding:
  """Puts an axis that is not split before those of a sharding."""
  if not isinstance(like, jax.sharding.NamedSharding):
    return like
  spec = jax.sharding.PartitionSpec(None, *like.spec)
  return jax.sharding.NamedSharding(like.mesh, spec)


def _gathered(
  array: np.ndarray, rows: np.ndarray, *, like: jax.sharding.Sharding
) -> jax.Array:
  """Gathers rows, each host those of its own devices."""
  shape = (*rows.shape, *array.shape[1:])
  return parallel.place(
    shape, lambda index: array[rows[index[: rows.ndim]]], like=like
  )
