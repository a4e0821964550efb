"""Many devices: compiles a pure step over them, with jit or with pmap.

The batch is split over all devices, everything else is replicated. Under jit
XLA divides the work of a step that is written for the whole batch. Under pmap
each device computes its rows, and what the whole batch shares is reduced over
the mapped axis. The results of both, and of any number of devices, are equal to
rounding: batch normalisation and noise are those of the whole batch.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

import jax
import numpy as np
from jax import lax
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from jaxtyping import Array, PyTree

AXIS_NAME = 'batch'

Step: TypeAlias = Callable[[Any, Any], tuple[Any, dict[str, Array]]]


@runtime_checkable
class StepInParts(Protocol):
  """A step that can be spread over a mapped axis: core.train_step.TrainStep."""

  def draw(self, state: Any, rows: int) -> PyTree:
    """Draws the random numbers of the whole batch."""

  def descend(self, state: Any, batch: Any, draws: PyTree) -> Any:
    """Computes losses and gradients of some rows."""

  def update(self, state: Any, descent: Any) -> tuple[Any, dict[str, Array]]:
    """Updates a state by the losses and gradients of all rows."""


class Compiled(NamedTuple):
  """A step ready to run.

  Attributes:
    step: (state, batch) -> (state, metrics). Under jit it donates the
      state: what was passed in cannot be used again. If it does several steps,
      their batches and metrics are stacked on a leading axis.
    replicated: the sharding of the state.
    sharded: the sharding of a batch, split by its leading axis.
  """

  step: Step
  replicated: NamedSharding
  sharded: NamedSharding

  def lower(self, state: PyTree, batch: PyTree) -> Callable[[], Any]:
    """Traces the step and returns a function that compiles it.

    The first call of the step then finds it compiled. Under pmap the first
    call does all of it.

    Args:
      state: its shapes, types and shardings.
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
  """Prepares a step for devices; its first call, or `lower`, compiles it.

  One call of several steps costs the host as much as one of a single step,
  which matters for small batches on fast devices. A `scan` runs them on the
  device. XLA fuses and orders the sums of its body in another way, so results
  differ by rounding from those of as many calls. Each number of steps is
  compiled anew.

  Args:
    step: a pure function (state, batch) -> (state, metrics). For pmap it sees a
      device's rows, and its results are those of the whole batch: `over_axis`.
    batch_size: of the whole batch.
    devices: the devices to use; all by default.
    how: 'jit' (over a mesh) or 'pmap' (over the axis AXIS_NAME).
    several: whether a call does several steps, whose batches are stacked.

  Raises:
    ValueError: if the devices cannot share the batch evenly, or for another
      `how`.
  """
  devices = jax.devices() if devices is None else devices
  _check(devices, batch_size=batch_size, how=how)
  mesh = jax.make_mesh(
    (len(devices),), (AXIS_NAME,), axis_types=(AxisType.Auto,), devices=devices
  )
  replicated = NamedSharding(mesh, PartitionSpec())
  sharded = NamedSharding(mesh, PartitionSpec(AXIS_NAME))
  rows = 1 if several else 0  # the axis of a batch's rows
  if several:
    step = functools.partial(lax.scan, step)
  if how == 'jit':
    stacked = NamedSharding(mesh, PartitionSpec(*[None] * rows, AXIS_NAME))
    compiled: Step = jax.jit(
      step,
      in_shardings=(replicated, stacked),
      out_shardings=replicated,
      donate_argnums=0,
      compiler_options=_compiler_options(devices[0].platform),
    )
  else:
    compiled = _pmap(step, devices, rows=rows)
  return Compiled(compiled, replicated, sharded)


def over_axis(step: StepInParts, axis_name: str = AXIS_NAME) -> Step:
  """Turns a step for the whole batch into one for the rows of each device.

  Draws are made for the whole batch and divided, so that they do not depend on
  the number of devices; losses are averaged and gradients summed over the axis.
  Networks normalise over it themselves (Networks.with_axis_name).
  """

  def mapped(state: Any, batch: Any) -> tuple[Any, dict[str, Array]]:
    rows = len(jax.tree.leaves(batch)[0])
    draws = step.draw(state, rows * lax.axis_size(axis_name))
    start = lax.axis_index(axis_name) * rows
    mine = jax.tree.map(
      lambda x: lax.dynamic_slice_in_dim(x, start, rows), draws
    )
    descent = step.descend(state, batch, mine)
    whole = descent._replace(
      terms=lax.pmean(descent.terms, axis_name),
      diagnostics=lax.pmean(descent.diagnostics, axis_name),
      gradients=lax.psum(descent.gradients, axis_name),
    )
    return step.update(state, whole)

  return mapped


def _check(devices: Sequence[jax.Device], *, batch_size: int, how: str) -> None:
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
      f"are {jax.process_count()} processes: use 'jit'"
    )


def _compiler_options(platform: str) -> dict[str, str]:
  """Returns XLA's options: on a CPU, the schedule that needs least memory."""
  if platform != 'cpu':
    return {}
  return {'xla_cpu_scheduler_type': 'CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED'}


def _pmap(step: Step, devices: Sequence[jax.Device], *, rows: int) -> Step:
  """Maps a step over devices, hiding that they are an axis of every array."""
  mapped = jax.pmap(
    step,
    axis_name=AXIS_NAME,
    in_axes=(None, rows),
    out_axes=None,
    devices=devices,
  )

  def split(x: Array) -> Array:
    before, after = x.shape[:rows], x.shape[rows + 1 :]
    return x.reshape(*before, len(devices), -1, *after)

  return lambda state, batch: mapped(state, jax.tree.map(split, batch))


def place(
  shape: tuple[int, ...],
  part: Callable[[tuple[slice, ...]], np.ndarray],
  *,
  like: jax.sharding.Sharding,
) -> jax.Array:
  """Builds an array from the part of each device of this process.

  Unlike `jax.make_array_from_callback`, it transfers explicitly, which a
  training loop may require (`jax.transfer_guard`).

  Args:
    shape: of the whole, over all processes.
    part: index -> the part there.
    like: the sharding of the array.
  """
  places = like.addressable_devices_indices_map(shape)
  parts = [part(index or (slice(None),)) for index in places.values()]
  shards = jax.device_put(parts, list(places))
  return jax.make_array_from_single_device_arrays(shape, like, shards)


def replicate(array: np.ndarray, like: jax.sharding.Sharding) -> jax.Array:
  """Copies an array to each device of a sharding, in every process."""
  if isinstance(like, NamedSharding):
    like = NamedSharding(like.mesh, PartitionSpec())
  return place(array.shape, lambda index: array, like=like)


def local(tree: PyTree) -> PyTree:
  """Returns the copy of a replicated tree on one device of this process."""
  return jax.tree.map(lambda x: x.addressable_data(0), tree)
