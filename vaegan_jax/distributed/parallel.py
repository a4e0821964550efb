"""Many devices: compiles a pure step over them, with jit or with pmap.

The batch is split over all devices, everything else is on each of them. Under
jit a step is written for the whole batch and XLA divides the work; under pmap
it is written for one device's rows and asks the others where it must. Both
give the same numbers, and the number of devices changes nothing: batch
normalisation and noise are those of the whole batch.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax import lax
from jax.sharding import AxisType, NamedSharding, PartitionSpec

AXIS = 'batch'

# (state, batch) -> (state, metrics); the keyword names the mapped axis, if any.
Step = Callable[..., tuple[Any, dict[str, Any]]]


class Compiled(NamedTuple):
  """A step ready to run.

  Attributes:
    step: (state, batch) -> (state, metrics). It takes the state's memory: what
      was passed in cannot be used again. If it does several steps, their
      batches and metrics are stacked on a leading axis.
    replicated: where the state belongs.
    sharded: where a batch belongs, split by its leading axis.
  """

  step: Callable[[Any, Any], tuple[Any, dict[str, Any]]]
  replicated: NamedSharding
  sharded: NamedSharding

  def lower(self, state: Any, batch: Any) -> Callable[[], Any]:
    """Traces the step, and gives what compiles it.

    The first call then finds it compiled. Under pmap all is left to that call.

    Args:
      state: the shapes, types and places of one.
      batch: those of a batch.
    """
    if isinstance(self.step, jax.stages.Wrapped):
      return self.step.lower(state, batch).compile
    return lambda: None


def compile_step(
  step: Step,
  *,
  batch_size: int,
  devices: Sequence[jax.Device] | None = None,
  how: str = 'jit',
  several: bool = False,
) -> Compiled:
  """Prepares a step for devices; XLA compiles it when it is asked to.

  One call of several steps has the host's work of one, which bounds the speed
  of small batches on fast devices. They are done by a loop on the device,
  whose body XLA compiles apart: it fuses and orders sums otherwise, so results
  differ in the last digits from those of as many calls. Each number of steps
  is compiled anew.

  Args:
    step: a pure function (state, batch, *, axis) -> (state, metrics).
    batch_size: of the whole batch.
    devices: the devices to use; all by default.
    how: 'jit' (over a mesh) or 'pmap'.
    several: whether a call does as many steps as batches are stacked.

  Raises:
    ValueError: if the devices cannot share the batch evenly, or for another
      `how`.
  """
  devices = jax.devices() if devices is None else devices
  if batch_size % len(devices):
    raise ValueError(
      f'a batch of {batch_size} cannot be split evenly over {len(devices)} '
      f'devices: make config.batch_size a multiple of {len(devices)}'
    )
  if how not in ('jit', 'pmap'):
    raise ValueError(f"compile with 'jit' or 'pmap', not {how!r}")
  if how == 'pmap' and len({device.process_index for device in devices}) > 1:
    raise ValueError(
      "config.compile = 'pmap' is for the devices of one process, and there "
      f"are those of {jax.process_count()}: take 'jit'"
    )
  mesh = jax.make_mesh(
    (len(devices),), (AXIS,), axis_types=(AxisType.Auto,), devices=devices
  )
  replicated = NamedSharding(mesh, PartitionSpec())
  sharded = NamedSharding(mesh, PartitionSpec(AXIS))
  rows = 1 if several else 0  # the axis of a batch's rows
  step = _in_turn(step) if several else step
  if how == 'jit':
    fed = NamedSharding(mesh, PartitionSpec(*[None] * rows, AXIS))
    compiled: Callable = jax.jit(
      functools.partial(step, axis=None),
      in_shardings=(replicated, fed),
      out_shardings=replicated,
      donate_argnums=0,
      compiler_options=_options(devices[0].platform),
    )
  else:
    compiled = _pmap(step, devices, rows=rows)
  return Compiled(compiled, replicated, sharded)


def _options(platform: str) -> dict[str, str]:
  """Has a CPU do work in the order that holds least, which is faster too."""
  if platform != 'cpu':
    return {}
  return {'xla_cpu_scheduler_type': 'CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED'}


def _in_turn(step: Step) -> Step:
  """Makes a step of several: a row of batches in, a row of metrics out."""

  def steps(state, batches, *, axis):
    return lax.scan(functools.partial(step, axis=axis), state, batches)

  return steps


def _pmap(step: Step, devices: Sequence[jax.Device], *, rows: int) -> Callable:
  """Maps a step over devices, hiding that they are an axis of every array."""
  mapped = jax.pmap(
    functools.partial(step, axis=AXIS),
    axis_name=AXIS,
    in_axes=(None, rows),
    out_axes=None,
    devices=devices,
  )

  def split(x):
    before, after = x.shape[:rows], x.shape[rows + 1 :]
    return x.reshape(*before, len(devices), -1, *after)

  return lambda state, batch: mapped(state, jax.tree.map(split, batch))


def place(
  shape: tuple[int, ...],
  part: Callable[[tuple[slice, ...]], np.ndarray],
  *,
  like: jax.sharding.Sharding,
) -> jax.Array:
  """Builds an array of which each device of this host gets its part.

  `jax.make_array_from_callback` would do, but counts as an implicit transfer,
  which a training loop may have forbidden (`jax.transfer_guard`).

  Args:
    shape: of the whole, over all hosts.
    part: index -> the part there.
    like: where the parts belong.
  """
  places = like.addressable_devices_indices_map(shape)
  devices = list(places)
  parts = [part(index or (slice(None),)) for index in places.values()]
  shards = jax.device_put(parts, devices)
  return jax.make_array_from_single_device_arrays(shape, like, shards)


def replicate(array: np.ndarray, like: jax.sharding.Sharding) -> jax.Array:
  """Copies an array whole to each device of a sharding, on every host."""
  if isinstance(like, NamedSharding):
    like = NamedSharding(like.mesh, PartitionSpec())
  return place(array.shape, lambda index: array, like=like)


def local(tree: Any) -> Any:
  """Gives the copy on one device of this host of what is on each device.

  A host computes with it by itself.
  """
  return jax.tree.map(lambda x: x.addressable_data(0), tree)


def local_rows(drawn: Any, *, axis: str | None) -> Any:
  """Keeps this device's rows of arrays made for the whole batch.

  What is drawn for all and then divided does not depend on the number of
  devices.
  """
  if axis is None:
    return drawn
  count, index = lax.axis_size(axis), lax.axis_index(axis)

  def rows(x):
    size = x.shape[0] // count
    return lax.dynamic_slice_in_dim(x, index * size, size)

  return jax.tree.map(rows, drawn)


def mean(tree: Any, *, axis: str | None) -> Any:
  """Averages over the mapped axis, if there is one."""
  return tree if axis is None else lax.pmean(tree, axis)


def total(tree: Any, *, axis: str | None) -> Any:
  """Sums over the mapped axis, if there is one."""
  return tree if axis is None else lax.psum(tree, axis)
