"""Saves, verifies and restores states.

A checkpoint is a folder DIR/checkpoints/STEP: Orbax's files in state/, and a
manifest with the sha256 of each. It is made under a hidden name, put on disk
and renamed, so that a folder named by a step was whole once. Restoring reads
every byte again: a step that was damaged since is set aside, with a warning, as
DIR/checkpoints/damaged-STEP, and the newest good one is taken.

Where several processes run, all call alike: each has the whole state, so
process 0 writes its own, and sends what it has read to the others.
"""

from __future__ import annotations

import logging
import pathlib
from collections.abc import Callable, Mapping
from concurrent import futures
from typing import Any

import numpy as np

from vaegan_jax.files import atomic, checksums
from vaegan_jax.distributed import processes
from vaegan_jax.runs import serialisation

_LOGGER = logging.getLogger(__name__)

_FOLDER = 'checkpoints'
_STATE = 'state'
_DAMAGED = 'damaged-'


class NotSaved(OSError):
  """Reports a checkpoint that could not be written; older ones are intact."""


class Checkpoints:
  """Owns the checkpoints of a run; no other process may write there.

  Args:
    workdir: the run's folder.
    about: what a checkpoint must be of, in JSON types: digests of the config
      and the data.
    keep: how many of the newest are kept.
    keep_every: of every so many steps the first checkpoint is kept for ever;
      0: none.
  """

  def __init__(
    self,
    workdir: pathlib.Path,
    *,
    about: Mapping[str, Any],
    keep: int = 3,
    keep_every: int = 0,
  ):
    self._folder = pathlib.Path(workdir).absolute() / _FOLDER
    if processes.is_primary():
      self._folder.mkdir(parents=True, exist_ok=True)
      atomic.remove_hidden(self._folder)
    self._about = dict(about)
    self._keep, self._keep_every = keep, keep_every
    self._thread = futures.ThreadPoolExecutor(1, 'checkpoints')
    self._saving: futures.Future[None] | None = None
    self._last: int | None = None

  def save(self, state: Any, *, step: int) -> None:
    """Copies a state to the host, and writes it in the background.

    It waits only for the save before, if that is not on disk yet.

    Raises:
      NotSaved: the save before failed.
    """
    self.wait()
    if step != self._last and processes.is_primary():
      self._saving = self._thread.submit(
        self._write, serialisation.copied(state), step
      )
    self._last = step

  def check(self) -> None:
    """Raises NotSaved if a save in the background has failed."""
    if self._saving is not None and self._saving.done():
      self.wait()

  def wait(self) -> None:
    """Waits until all is on disk.

    Raises:
      NotSaved: the last save failed.
    """
    saving, self._saving = self._saving, None
    if saving is not None:
      saving.result()

  def restore(self, like: Any) -> Any | None:
    """Restores the newest whole state, placed as `like` is.

    Args:
      like: the shapes, types and shardings of the state, or one that has them.

    Returns:
      the state, or None if nothing was saved yet.

    Raises:
      ValueError: checkpoints are there but none is whole, or it is one of
        another run, of other data, or of other networks.
    """
    with processes.fail_together():
      step, leaves = self._read(like) if processes.is_primary() else (None, None)
    (sent,) = processes.broadcast_from_primary([np.array(-1 if step is None else step)])
    if sent < 0:
      return None
    self._last = int(sent)
    leaves = processes.broadcast_from_primary(leaves or serialisation.blank(like))
    return serialisation.placed(leaves, like=like)

  def _read(self, like: Any) -> tuple[int | None, list[np.ndarray] | None]:
    """Reads the newest whole state, and its step; None: there is none."""
    folder, about = _newest_whole(self._folder, damaged=self._set_aside)
    if folder is None:
      self._check_none_is_damaged()
      return None, None
    self._check_about(folder, about)
    return about['step'], serialisation.read(folder / _STATE, like=like)

  def close(self) -> None:
    """Waits until all is on disk, and ends the thread.

    Raises:
      NotSaved: the last save failed.
    """
    self._thread.shutdown()
    self.wait()

  def _write(self, state: Any, step: int) -> None:
    folder = self._folder / str(step)
    try:
      with atomic.new_folder(folder) as temporary:
        serialisation.save(temporary / _STATE, state)
        checksums.write(temporary, about={'step': step, **self._about})
      self._drop_old()
    # Orbax and TensorStore report a full disk in several types of errors.
    except Exception as error:
      left = _steps(self._folder)
      raise NotSaved(
        f'the checkpoint of step {step} could not be written into '
        f'{self._folder} ({type(error).__name__}: {error}); '
        f'{f"step {left[-1]} is there" if left else "there is none yet"}. Make '
        'room, or make the folder writable, and start again'
      ) from error

  def _drop_old(self) -> None:
    steps = _steps(self._folder)
    kept = set(steps[-self._keep :])
    if self._keep_every:
      eras = {step // self._keep_every: step for step in reversed(steps)}
      kept |= {step for era, step in eras.items() if era}
    for step in set(steps) - kept:
      atomic.remove(self._folder / str(step))

  def _set_aside(self, folder: pathlib.Path, error: checksums.Damaged) -> None:
    step = folder.name
    name, number = f'{_DAMAGED}{step}', 1
    while (self._folder / name).exists():
      number += 1
      name = f'{_DAMAGED}{step}-{number}'
    _LOGGER.warning(
      'The checkpoint of step %s is damaged: %s. It is set aside as %s, and an '
      'older one is taken.',
      step,
      error,
      self._folder / name,
    )
    folder.rename(self._folder / name)

  def _check_about(
    self, folder: pathlib.Path, about: Mapping[str, Any]
  ) -> None:
    for name, ours in self._about.items():
      if about.get(name) != ours:
        raise ValueError(
          f'{folder} is a checkpoint of another {name} (sha256 '
          f'{about.get(name)}) than this run has ({ours}): take another '
          '--workdir, or give the run what it had when it was saved'
        )

  def _check_none_is_damaged(self) -> None:
    damaged = sorted(path.name for path in self._folder.glob(f'{_DAMAGED}*'))
    if damaged:
      raise ValueError(
        f'no checkpoint in {self._folder} is whole: {", ".join(damaged)}. '
        'Restore one of them from a copy under its number; or remove that '
        'folder to start from step 0'
      )


def load(workdir: pathlib.Path) -> tuple[int, dict[str, Any]]:
  """Reads a run's newest whole state as nested dicts of NumPy arrays.

  Damaged ones are passed over with a warning, and left where they are. The key
  comes as the numbers it is made of.

  Returns:
    its step, and the state.

  Raises:
    FileNotFoundError: the run has saved nothing yet.
    ValueError: checkpoints are there but none is whole.
  """
  folder = pathlib.Path(workdir).absolute() / _FOLDER
  newest, about = _newest_whole(folder, damaged=_pass_over)
  if newest is not None:
    return about['step'], serialisation.load(newest / _STATE)
  if steps := _steps(folder):
    raise ValueError(
      f'none of the {len(steps)} checkpoints in {folder} is whole: restore one '
      'from a copy, or train the run again'
    )
  raise FileNotFoundError(
    f'no checkpoint in {folder}: train first, with '
    f'python -m experiments.train --workdir={workdir} ...'
  )


def _pass_over(folder: pathlib.Path, error: checksums.Damaged) -> None:
  _LOGGER.warning('%s is damaged, passed over: %s.', folder, error)


def _newest_whole(
  folder: pathlib.Path,
  *,
  damaged: Callable[[pathlib.Path, checksums.Damaged], None],
) -> tuple[pathlib.Path | None, dict[str, Any]]:
  """Finds the newest checkpoint that is whole, and what it says of itself.

  Args:
    folder: of all checkpoints.
    damaged: told of each newer one, and what is wrong with it.
  """
  for step in reversed(_steps(folder)):
    found = folder / str(step)
    try:
      return found, _verify(found)
    except checksums.Damaged as error:
      damaged(found, error)
  return None, {}


def _steps(folder: pathlib.Path) -> list[int]:
  """Lists the steps that were saved, the newest last."""
  if not folder.is_dir():
    return []
  names = (path.name for path in folder.iterdir())
  return sorted(int(name) for name in names if name.isdecimal())


def _verify(folder: pathlib.Path) -> dict[str, Any]:
  about = checksums.verify(folder)
  if about.get('step') != int(folder.name):
    raise checksums.Damaged(f'its manifest is of step {about.get("step")}')
  return about
