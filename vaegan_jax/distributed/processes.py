"""Several hosts that run one program on one batch.

JAX joins their processes (jax.distributed), and XLA moves numbers between them.
Process 0 leads: it alone reads and writes the run's folder. All else is done
by every process alike, from the same config and the same data; so whatever one
decides of its results, all decide.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import os
import re
import sys
import time
from collections.abc import Iterator
from typing import Any, NoReturn

import jax
import numpy as np
from jax.experimental import multihost_utils
from jaxtyping import Float

from vaegan_jax.distributed import parallel

# Seconds. A process that died is missed after the first, so that the others
# end within a minute; one that waits in the barrier at the end may do so for
# the last while process 0 makes the report.
_MISSED = 30
_JOINING = 300
_LEAVING = 1800

# Seconds that process 0 outlives an error: the others depend on it, and most
# errors are those of all, who should come to say so.
_GRACE = 5.0

# How XLA's errors begin. Some come as a ValueError, as ours do.
_STATUS = re.compile('[A-Z_]+: ')


class Lost(RuntimeError):
  """Reports that another process of the run is gone."""


def join(
  *,
  coordinator: str | None = None,
  count: int | None = None,
  index: int | None = None,
) -> None:
  """Joins the processes of a run, before any of them uses a device.

  What is None is asked of Slurm, a TPU pod, Open MPI or Kubernetes.

  Args:
    coordinator: HOST:PORT where process 0 can be reached.
    count: of processes.
    index: of this one; 0 leads.

  Raises:
    ValueError: no such cluster is found, or the arguments do not fit.
    Lost: the others did not come within five minutes.
  """
  _check(coordinator, count, index)
  # Preemption.Notice handles SIGTERM; JAX's own service would take it over.
  jax.config.update('jax_enable_preemption_service', False)
  # GPUs and TPUs run one program after the other; CPUs may run two at once,
  # whose collectives could wait for each other.
  jax.config.update('jax_cpu_enable_async_dispatch', False)
  try:
    jax.distributed.initialize(
      coordinator,
      count,
      index,
      initialization_timeout=_JOINING,
      heartbeat_timeout_seconds=_MISSED,
      shutdown_timeout_seconds=_LEAVING,
    )
  except ValueError as error:
    raise ValueError(
      f'--multihost found no cluster ({error}): it knows Slurm, TPU pods, Open '
      'MPI and Kubernetes (with the kubernetes package); elsewhere give '
      '--coordinator=HOST:PORT --processes=N --process=I'
    ) from error
  except jax.errors.JaxRuntimeError as error:
    raise Lost(
      f'the {count or "other"} processes of the run did not come together at '
      f'{coordinator or "the coordinator"} ({error}): start all of them, with '
      'the same --coordinator and --processes, and look whether its port is '
      'open between the hosts'
    ) from error


def _check(
  coordinator: str | None, count: int | None, index: int | None
) -> None:
  host, _, port = (coordinator or 'host:1').rpartition(':')
  if not host or not port.isdecimal():
    raise ValueError(
      f'--coordinator={coordinator}: expected HOST:PORT of process 0, such as '
      '10.0.0.1:1234'
    )
  if count is not None and count < 1:
    raise ValueError(f'--processes={count}: expected at least 1')
  if index is not None and not 0 <= index < (count or index + 1):
    raise ValueError(
      f'--process={index}: expected 0 to {(count or 1) - 1}, as there are '
      f'--processes={count}'
    )


def joined() -> bool:
  """Says whether this process runs with others."""
  return jax.distributed.is_initialized()


def leads() -> bool:
  """Says whether this process reads and writes the run's folder."""
  return jax.process_index() == 0


def leave() -> None:
  """Waits until all processes come here, and parts from them."""
  jax.distributed.shutdown()


def end(code: int) -> NoReturn:
  """Ends this process without waiting for others, who will miss it."""
  if not joined():
    sys.exit(code)
  for stream in (sys.stdout, sys.stderr):
    with contextlib.suppress(OSError):  # of a disk that is full
      stream.flush()
  if leads():
    time.sleep(_GRACE)
  os._exit(code)


@contextlib.contextmanager
def together() -> Iterator[None]:
  """Tells what JAX says when another process is gone from its other errors.

  Raises:
    Lost: something failed while several processes were at it.
  """
  try:
    yield
  except (jax.errors.JaxRuntimeError, ValueError) as error:
    if jax.process_count() == 1 or not _STATUS.match(str(error)):
      raise
    raise Lost(
      f'process {jax.process_index()} of {jax.process_count()} stops, as '
      'another one was lost, or a device failed: start all again with the '
      'same command, and the run goes on from its newest checkpoint. JAX says: '
      f'{str(error).strip()}'
    ) from error


@contextlib.contextmanager
def all_or_none() -> Iterator[None]:
  """Fails on every process if it fails on one, so that all end and none waits.

  Every process must come here.

  Raises:
    ValueError: another process failed.
  """
  failed = True
  try:
    yield
    failed = False
  finally:
    failures = gather(np.array([failed])) if joined() else np.array([failed])
  for process in np.flatnonzero(failures):
    raise ValueError(
      f'process {process} of {jax.process_count()} cannot begin, so none does: '
      'its own message says why'
    )


def check_same(**what: str) -> None:
  """Compares texts between the processes.

  Raises:
    ValueError: process 0 has another one, by its name.
  """
  mine = np.stack([_digest(text) for text in what.values()])
  for process, digests in enumerate(theirs := gather(mine[None])):
    for name, here, there in zip(what, digests, theirs[0], strict=True):
      if (here != there).any():
        raise ValueError(
          f'process {process} has another {name} than process 0: start all '
          'processes with the same command, on the same data'
        )


def gather(numbers: np.ndarray) -> np.ndarray:
  """Gives the rows of all processes, one after the other.

  Args:
    numbers: of this process; all have as many rows.
  """
  gathered = np.asarray(multihost_utils.process_allgather(numbers))
  return gathered.reshape(-1, *numbers.shape[1:])


def _digest(text: str) -> np.ndarray:
  return np.frombuffer(hashlib.sha256(text.encode()).digest(), np.uint8)


def from_leader(arrays: list[np.ndarray]) -> list[np.ndarray]:
  """Sends arrays from process 0 to all, bit for bit.

  Args:
    arrays: elsewhere than on process 0 any of the same shapes and types.
  """
  if jax.process_count() == 1:
    return arrays
  # As bytes: JAX adds up what all processes send, and -0 + 0 is 0.
  mine = np.concatenate(
    [np.ascontiguousarray(x).reshape(-1).view(np.uint8) for x in arrays]
  )
  sent = np.asarray(multihost_utils.broadcast_one_to_all(mine))
  ends = np.cumsum([x.nbytes for x in arrays])
  parts = np.split(sent, ends[:-1])
  return [
    part.view(x.dtype).reshape(x.shape)
    for part, x in zip(parts, arrays, strict=True)
  ]


class Exchange:
  """Tells all processes a few numbers of each, without making devices wait.

  Several processes hear what was told one call before, of one and the same
  call; a process alone hears itself at once.

  Args:
    sharded: a sharding over all devices, of a batch.
    replicated: the same devices', of what is on each.
  """

  def __init__(
    self,
    sharded: jax.sharding.NamedSharding,
    replicated: jax.sharding.NamedSharding,
  ):
    self._sharded = sharded
    devices = sharded.mesh.devices.ravel()
    processes = [device.process_index for device in devices]
    # A row of each process, in their order.
    self._rows = np.unique(processes, return_index=True)[1]
    self._alone = len(self._rows) == 1
    self._devices = len(devices)
    self._gather = jax.jit(lambda x: x, out_shardings=replicated)
    self._told: Any = None

  def __call__(
    self, numbers: Float[np.ndarray, ' numbers']
  ) -> Float[np.ndarray, 'hosts numbers']:
    """Tells the numbers of this process, and gives those of all."""
    if self._alone:
      return numbers[None]
    before = self._told
    row = np.asarray(numbers, np.float32)
    self._told = self._gather(
      parallel.place(
        (self._devices, len(row)),
        functools.partial(_same_row, row),
        like=self._sharded,
      )
    )
    if before is None:
      return np.zeros((len(self._rows), len(row)), np.float32)
    return np.asarray(before)[self._rows]


def _same_row(row: np.ndarray, index: tuple[slice, ...]) -> np.ndarray:
  del index  # each device has one row
  return row[None]
