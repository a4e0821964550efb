"""Runs one program on one batch in several processes, one or more per host.

JAX connects the processes (jax.distributed) and XLA moves arrays between them.
Process 0 is the primary: it alone reads and writes the run's folder. All
processes do everything else alike, from the same config and data, so that they
reach the same decisions.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import re
import sys
import time
from collections.abc import Iterator
from typing import NoReturn

import jax
import numpy as np
from jax.experimental import multihost_utils
from jaxtyping import Float

from vaegan_jax.distributed import parallel

_LOGGER = logging.getLogger(__name__)

# A dead process is detected within _HEARTBEAT_SECONDS, so that the others end
# within a minute. The last one is how long the barrier at the end may last:
# the others wait there while process 0 writes the report.
_HEARTBEAT_SECONDS = 30
_INITIALIZATION_SECONDS = 300
_SHUTDOWN_SECONDS = 1800

# How long process 0 outlives an error. The others end with it, and most errors
# occur in all processes, each of which should print its own.
_PRIMARY_EXIT_SECONDS = 5.0

# How an error of XLA begins. Some are ValueErrors, as our own are.
_XLA_STATUS = re.compile('[A-Z_]+: ')


class ProcessLost(RuntimeError):
  """Reports that another process of the run has ended."""


def initialize(
  *,
  coordinator_address: str | None = None,
  num_processes: int | None = None,
  process_id: int | None = None,
) -> None:
  """Connects the processes of a run, before any of them uses a device.

  Slurm, a TPU pod, Open MPI and Kubernetes supply arguments that are None.

  Args:
    coordinator_address: HOST:PORT of process 0.
    num_processes: the number of processes.
    process_id: the number of this process; 0 is the primary.

  Raises:
    ValueError: no cluster is found, or the arguments contradict each other.
    ProcessLost: no coordinator was found, or the others did not connect within
      five minutes. Where JAX itself ends the process then, with 134, the log
      has the remedy.
  """
  _check(coordinator_address, num_processes, process_id)
  # preemption.Notice handles SIGTERM; JAX's service would replace its handler.
  jax.config.update('jax_enable_preemption_service', False)
  # GPUs and TPUs run programs in order. CPUs may run two at once, whose
  # collectives could wait for each other.
  jax.config.update('jax_cpu_enable_async_dispatch', False)
  remedy = (
    'start all processes with the same --coordinator and --processes, and '
    f'check that its port is open between the hosts{_slurm_hint()}'
  )
  _LOGGER.info(
    'Connecting to the %s processes of the run. If that takes %d minutes, JAX '
    'ends this one; then %s.',
    num_processes or 'other',
    _INITIALIZATION_SECONDS // 60,
    remedy,
  )
  try:
    jax.distributed.initialize(
      coordinator_address,
      num_processes,
      process_id,
      initialization_timeout=_INITIALIZATION_SECONDS,
      heartbeat_timeout_seconds=_HEARTBEAT_SECONDS,
      shutdown_timeout_seconds=_SHUTDOWN_SECONDS,
    )
  except ValueError as error:
    raise ValueError(
      f'--multihost found no cluster ({error}): it detects Slurm, TPU pods, '
      'Open MPI and Kubernetes (with the kubernetes package); elsewhere give '
      '--coordinator=HOST:PORT --processes=N --process=I' + _slurm_hint()
    ) from error
  # A pod without an address yet is a RuntimeError, a query of the metadata of a
  # TPU that fails an OSError.
  except (RuntimeError, OSError) as error:
    raise ProcessLost(
      f'the {num_processes or "other"} processes of the run did not connect '
      f'to {coordinator_address or "the coordinator"} ({error}): {remedy}'
    ) from error


def _slurm_hint() -> str:
  """Returns a hint for Slurm jobs whose processes srun has not started."""
  if 'SLURM_JOB_ID' not in os.environ:
    return ''
  return (
    f'. This is Slurm job {os.environ["SLURM_JOB_ID"]}: start the processes '
    'with srun, as experiments/cluster/slurm.sh does; only then each has its '
    'own number'
  )


def _check(
  coordinator_address: str | None,
  num_processes: int | None,
  process_id: int | None,
) -> None:
  host, _, port = (coordinator_address or 'host:1').rpartition(':')
  if not host or not port.isdecimal():
    raise ValueError(
      f'--coordinator={coordinator_address}: expected HOST:PORT of process 0, '
      'such as 10.0.0.1:1234'
    )
  if num_processes is not None and num_processes < 1:
    raise ValueError(f'--processes={num_processes}: expected at least 1')
  count = num_processes or (process_id or 0) + 1
  if process_id is not None and not 0 <= process_id < count:
    raise ValueError(
      f'--process={process_id}: expected 0 to {count - 1}, as --processes='
      f'{num_processes}'
    )


def is_primary() -> bool:
  """Returns whether this process reads and writes the run's folder."""
  return jax.process_index() == 0


def exit_process(code: int) -> NoReturn:
  """Ends this process without the barrier that a normal exit waits in."""
  if not jax.distributed.is_initialized():
    sys.exit(code)
  for stream in (sys.stdout, sys.stderr):
    with contextlib.suppress(OSError):  # the disk of the log may be full
      stream.flush()
  if is_primary():
    time.sleep(_PRIMARY_EXIT_SECONDS)
  os._exit(code)


@contextlib.contextmanager
def translate_errors() -> Iterator[None]:
  """Turns the errors that XLA raises when a process is lost into ProcessLost.

  Raises:
    ProcessLost: XLA raised an error while several processes were connected.
  """
  try:
    yield
  except (jax.errors.JaxRuntimeError, ValueError) as error:
    if jax.process_count() == 1 or not _XLA_STATUS.match(str(error)):
      raise
    raise ProcessLost(
      f'process {jax.process_index()} of {jax.process_count()} stops: another '
      'one was lost, or a device failed. Start all of them with the same '
      'command, and the run resumes from its newest checkpoint. JAX reports: '
      f'{str(error).strip()}'
    ) from error


@contextlib.contextmanager
def fail_together() -> Iterator[None]:
  """Fails on all processes if the block fails on one, so that none waits.

  Every process must enter the block.

  Raises:
    ValueError: another process failed.
  """
  failed = True
  try:
    yield
    failed = False
  finally:
    failures = np.array([failed])
    if jax.distributed.is_initialized():
      failures = multihost_utils.process_allgather(failures, tiled=True)
  for process in np.flatnonzero(failures):
    raise ValueError(
      f'process {process} of {jax.process_count()} cannot start, so none does: '
      'see its own message'
    )


def check_equal(**texts: str) -> None:
  """Compares texts between the processes.

  Raises:
    ValueError: a text differs from that of process 0; its name is in the
      message.
  """
  digests = [hashlib.sha256(text.encode()).digest() for text in texts.values()]
  mine = np.array([[*map(list, digests)]], np.uint8)
  gathered = multihost_utils.process_allgather(mine, tiled=True)
  for process, name in np.argwhere((gathered != gathered[0]).any(axis=-1)):
    raise ValueError(
      f'process {process} has another {list(texts)[name]} than process 0: '
      'start all processes with the same command, on the same data'
    )


def broadcast_from_primary(arrays: list[np.ndarray]) -> list[np.ndarray]:
  """Sends arrays from process 0 to all, bit for bit.

  Args:
    arrays: on other processes than 0 any arrays of the same shapes and types.
  """
  # As bytes: the broadcast is a sum over processes, and -0 + 0 is 0.
  mine = [np.ascontiguousarray(x).view(np.uint8) for x in arrays]
  sent = multihost_utils.broadcast_one_to_all(mine)
  return [
    np.ascontiguousarray(received).view(x.dtype).reshape(x.shape)
    for received, x in zip(sent, arrays, strict=True)
  ]


class DelayedAllgather:
  """Gathers a few numbers of each process without making the devices wait.

  With several processes, a call returns the numbers that were passed in the
  call before, zeros at first. A single process gets its own at once.

  Args:
    sharded: a batch's sharding, over all devices.
    replicated: a sharding over the same devices, with a copy on each.
  """

  def __init__(
    self,
    sharded: jax.sharding.NamedSharding,
    replicated: jax.sharding.NamedSharding,
  ):
    self._sharded = sharded
    processes = [device.process_index for device in sharded.mesh.devices.flat]
    # Each device has a row; these are the first ones of each process.
    self._rows = np.unique(processes, return_index=True)[1]
    self._gather = jax.jit(lambda x: x, out_shardings=replicated)
    self._pending: jax.Array | None = None

  def __call__(
    self, numbers: Float[np.ndarray, ' numbers']
  ) -> Float[np.ndarray, 'processes numbers']:
    """Sends the numbers of this process, and returns those of all."""
    if len(self._rows) == 1:
      return numbers[None]
    row = np.asarray(numbers, np.float32)[None]
    shape = self._sharded.mesh.size, row.size
    rows = parallel.place(shape, lambda index: row, like=self._sharded)
    before, self._pending = self._pending, self._gather(rows)
    if before is None:
      return np.zeros((len(self._rows), row.size), np.float32)
    return np.asarray(before)[self._rows]
