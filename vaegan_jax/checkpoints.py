"""Saves, finds and restores states: the only file that knows Orbax.

A checkpoint is a folder DIR/checkpoints/STEP. Orbax writes into a folder of
another name and renames it when all is on disk, so that a folder named by a
step is whole.
"""

from __future__ import annotations

import pathlib
from typing import Any

import jax
import numpy as np
from orbax.checkpoint.experimental import v1 as ocp

_FOLDER = 'checkpoints'


class Checkpoints:
  """Owns the checkpoints of a run.

  Args:
    workdir: the run's folder.
    keep: how many of the newest are kept.
  """

  def __init__(self, workdir: pathlib.Path, *, keep: int = 3):
    self._folder = pathlib.Path(workdir).absolute() / _FOLDER
    self._folder.mkdir(parents=True, exist_ok=True)
    policies = ocp.training.preservation_policies
    self._checkpointer = ocp.training.Checkpointer(
      self._folder,
      preservation_policy=policies.LatestN(n=keep),
      cleanup_tmp_directories=True,
    )

  def save(self, state: Any, *, step: int) -> None:
    """Copies a state from the devices, and writes it in the background."""
    # Left to itself Orbax drops a save that comes while one is in progress.
    self._checkpointer.wait()
    self._checkpointer.save_async(step, state, force=True)

  def latest(self) -> int | None:
    """Finds the newest step that was saved, if there is one."""
    latest = self._checkpointer.latest
    return None if latest is None else latest.step

  def restore(self, like: Any) -> Any:
    """Restores the newest state, placed as `like` is.

    Args:
      like: a state of the same shapes, types and shardings.
    """
    return self._checkpointer.load(self.latest(), jax.tree.map(_abstract, like))

  def close(self) -> None:
    """Waits until all is on disk."""
    self._checkpointer.close()


def load(workdir: pathlib.Path) -> tuple[int, dict[str, Any]]:
  """Reads a run's newest state as nested dicts of NumPy arrays.

  Returns:
    its step, and the state.

  Raises:
    FileNotFoundError: if the run has saved nothing yet.
  """
  folder = pathlib.Path(workdir).absolute() / _FOLDER
  latest = None
  if folder.is_dir():
    with ocp.training.Checkpointer(folder) as checkpointer:
      latest = checkpointer.latest
      if latest is not None:
        metadata = checkpointer.metadata(latest.step).metadata
        state = checkpointer.load(latest.step, jax.tree.map(_on_host, metadata))
  if latest is None:
    raise FileNotFoundError(
      f'no checkpoint in {folder}: train first, with '
      f'python -m experiments.train --workdir={workdir} ...'
    )
  return latest.step, state


def _abstract(x: Any) -> jax.ShapeDtypeStruct:
  return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=x.sharding)


def _on_host(x: Any) -> Any:
  if jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key):
    return x
  return np.empty(x.shape, x.dtype)
