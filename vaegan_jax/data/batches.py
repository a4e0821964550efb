"""A batch as a pure function of (seed, step), for any number of devices."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Sequence
from concurrent import futures
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float32, Int32, Int64, UInt8

from vaegan_jax.data import cache
from vaegan_jax.distributed import parallel

_LOGGER = logging.getLogger(__name__)

# Batches that a thread prepares in advance for data on the host.
_AHEAD = 2


class Batch(NamedTuple):
  """The batch of a training step, over all devices and hosts.

  Batches of several steps may be stacked.

  Attributes:
    pixels: bytes, 0..255.
    attributes: one row per image, or None.
  """

  pixels: UInt8[Array, '*steps batch height width channels']
  attributes: Float32[Array, '*steps batch attributes'] | None = None


def indices(
  *, seed: int, step: int, batch_size: int, length: int
) -> Int64[np.ndarray, ' batch']:
  """Returns the indices of a step's images; each occurs once per epoch.

  Steps read from an endless sequence of shuffled epochs, so a batch may span
  two epochs and may be larger than the data set.

  Args:
    seed: seed of the shuffling, not negative.
    step: counted from 0.
    batch_size: images per step, over all devices and hosts.
    length: images of the data set.

  Raises:
    ValueError: a number is too small.
  """
  if min(seed, step) < 0 or min(batch_size, length) < 1:
    raise ValueError(
      f'no batch of {batch_size} from {length} images at step {step} of seed '
      f'{seed}: sizes must be at least 1, seed and step at least 0'
    )
  positions = step * batch_size + np.arange(batch_size, dtype=np.int64)
  epochs, offsets = np.divmod(positions, length)
  chosen = np.empty_like(offsets)
  for epoch in np.unique(epochs):
    here = epochs == epoch
    chosen[here] = _permutation(seed, int(epoch), length)[offsets[here]]
  return chosen


@functools.lru_cache(maxsize=4)
def _permutation(seed: int, epoch: int, length: int) -> np.ndarray:
  # NumPy guarantees the raw stream of Philox for all versions, but not the
  # result of `Generator.permutation`.
  noise = np.random.Philox(key=np.array([seed, epoch], np.uint64))
  return np.argsort(noise.random_raw(length), kind='stable')


class Batches:
  """Makes the batches of a data set: `batches(step)`.

  Small data is copied to the devices, and only indices are transferred. Large
  data stays on the host: each host gathers the rows of its devices, and a
  thread prepares the next batches. Both return the same bytes.
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
    """Copies small data to the devices.

    Args:
      dataset: the data set.
      seed: seed of the shuffling.
      batch_size: images per step, over all devices and hosts.
      sharding: sharding of a batch's leading axis; one local device if None.
      resident: the largest data set, in bytes of pixels, that is copied to
        each device.
      stacked: whether a call returns the batches of several steps.

    Raises:
      ValueError: the devices do not divide the batch.
    """
    sharding = sharding or jax.sharding.SingleDeviceSharding(
      jax.local_devices()[0]
    )
    _check_divisible(batch_size, sharding)
    if batch_size > (length := len(dataset.images)):
      _LOGGER.warning(
        'Each batch repeats images: config.batch_size = %d, and there are %d '
        'training images. Lower it, or add images.',
        batch_size,
        length,
      )
    self._seed, self._batch_size, self._stacked = seed, batch_size, stacked
    self._sharding = _prepend_axis(sharding) if stacked else sharding
    # Slices of the subclass np.memmap are slower.
    self._arrays = [np.asarray(dataset.images).view(np.ndarray)]
    if dataset.attributes is not None:
      self._arrays.append(dataset.attributes.astype(np.float32))
    self._pool: futures.ThreadPoolExecutor | None = None
    self._pending: dict[tuple[int, int], futures.Future[Batch]] = {}
    if dataset.images.nbytes <= resident:
      self._resident = [
        parallel.replicate(a.reshape(len(a), -1), self._sharding)
        for a in self._arrays
      ]
      shapes = [a.shape[1:] for a in self._arrays]
      self._gather = _gatherer(shapes, sharding=self._sharding)
    else:
      self._pool = futures.ThreadPoolExecutor(1, 'batches')

  def __call__(self, step: int, count: int = 1) -> Batch:
    """Returns the batch of a step, on the devices.

    Args:
      step: counted from 0.
      count: the number of steps from `step` on, if batches are stacked.
    """
    if self._pool is None:
      return self._from_device(step, count)
    pending = self._pending
    self._pending = {
      (s, count): pending.get((s, count))
      or self._pool.submit(self._from_host, s, count)
      for s in range(step, step + (1 + _AHEAD) * count, count)
    }
    return self._pending.pop((step, count)).result()

  def planned(self, count: int = 1) -> Batch:
    """Returns the shapes, types and shardings of a batch.

    Args:
      count: the number of steps, if batches are stacked.
    """
    rows = (count, self._batch_size) if self._stacked else (self._batch_size,)
    struct = functools.partial(jax.ShapeDtypeStruct, sharding=self._sharding)
    planned: list[Any] = [
      struct((*rows, *a.shape[1:]), a.dtype) for a in self._arrays
    ]
    return Batch(*planned)

  def close(self) -> None:
    """Stops the thread, if there is one."""
    if self._pool is not None:
      self._pool.shutdown(cancel_futures=True)

  def _rows(self, step: int, count: int) -> np.ndarray:
    rows = [
      indices(
        seed=self._seed,
        step=s,
        batch_size=self._batch_size,
        length=len(self._arrays[0]),
      )
      for s in range(step, step + count)
    ]
    return np.stack(rows) if self._stacked else rows[0]

  def _from_device(self, step: int, count: int) -> Batch:
    rows = self._rows(step, count).astype(np.int32)
    on_device = parallel.replicate(rows, self._sharding)
    return Batch(*self._gather(self._resident, on_device))

  def _from_host(self, step: int, count: int) -> Batch:
    rows = self._rows(step, count)

    def place(array: np.ndarray) -> Array:
      return parallel.place(
        (*rows.shape, *array.shape[1:]),
        # Each host reads only the rows of its own devices.
        lambda index: array[rows[index[: rows.ndim]]],
        like=self._sharding,
      )

    return Batch(*map(place, self._arrays))


def _gatherer(
  shapes: Sequence[tuple[int, ...]], *, sharding: jax.sharding.Sharding
) -> Callable[[list[Array], Array], list[Array]]:
  """Compiles (flat arrays, rows) -> arrays of a batch, on the devices.

  Images are flat rows there: from these a TPU reads only the rows it needs, but
  it would rearrange a whole array of images for each batch.
  """

  def gather(
    arrays: list[Array], rows: Int32[Array, '*steps batch']
  ) -> list[Array]:
    return [
      jnp.take(array, rows, axis=0, mode='clip').reshape(*rows.shape, *shape)
      for array, shape in zip(arrays, shapes, strict=True)
    ]

  return jax.jit(gather, out_shardings=sharding)


def _check_divisible(batch_size: int, sharding: jax.sharding.Sharding) -> None:
  try:
    sharding.shard_shape((batch_size,))
  except ValueError as error:
    raise ValueError(
      f'a batch of {batch_size} does not divide among '
      f'{sharding.num_devices} devices; take a multiple'
    ) from error


def _prepend_axis(sharding: jax.sharding.Sharding) -> jax.sharding.Sharding:
  """Prepends an axis that is not sharded."""
  if not isinstance(sharding, jax.sharding.NamedSharding):
    return sharding
  spec = jax.sharding.PartitionSpec(None, *sharding.spec)
  return jax.sharding.NamedSharding(sharding.mesh, spec)
