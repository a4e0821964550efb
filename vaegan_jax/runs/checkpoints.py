"""Saves, verifies and restores the states of a run.

A checkpoint is a folder DIR/checkpoints/STEP with Orbax's files in state/ and a
manifest of their sha256. It is written under a hidden name, synced to disk and
renamed, so a folder named by a step was complete. Restoring reads every byte
again: a damaged step is renamed to DIR/checkpoints/damaged-STEP with a warning,
and the newest intact one is taken.

All processes of a run make the same calls. Each holds the whole state, so
process 0 writes its own, and sends to the others what it reads.
"""

from __future__ import annotations

import logging
import pathlib
from collections.abc import Callable, Mapping
from concurrent import futures
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import PyTree

from vaegan_jax.distributed import processes
from vaegan_jax.files import atomic, checksums
from vaegan_jax.runs import manifests, serialisation

_LOGGER = logging.getLogger(__name__)

_FOLDER = 'checkpoints'
_STATE = 'state'
_DAMAGED = 'damaged-'


class Saved(NamedTuple):
  """A checkpoint that was read.

  Attributes:
    step: the steps done.
    state: nested dicts of NumPy arrays; the key as its numbers.
    about: what the manifest says about it, in JSON types.
  """

  step: int
  state: dict[str, Any]
  about: dict[str, Any]


class NotSaved(OSError):
  """Reports a checkpoint that could not be written; older ones are intact."""


class Checkpoints:
  """Owns the checkpoints of a run; no other process may write there.

  Args:
    workdir: the run's folder.
    identity: digests of what the run computes from, by name. A checkpoint with
      other digests is refused.
    keep: the number of newest checkpoints to keep.
    keep_every: keeps the first checkpoint of every so many steps for ever;
      0 keeps none.
    about: what else the manifest of each new checkpoint says, in JSON types. A
      warning tells if the restored one says otherwise.
  """

  def __init__(
    self,
    workdir: pathlib.Path,
    *,
    identity: Mapping[str, str],
    keep: int = 3,
    keep_every: int = 0,
    about: Mapping[str, Any] | None = None,
  ):
    self._folder = pathlib.Path(workdir).absolute() / _FOLDER
    if processes.is_primary():
      self._folder.mkdir(parents=True, exist_ok=True)
      atomic.remove_hidden(self._folder)
    self._identity, self._about = dict(identity), dict(about or {})
    self._keep, self._keep_every = keep, keep_every
    self._thread = futures.ThreadPoolExecutor(1, 'checkpoints')
    self._saving: futures.Future[None] | None = None
    self._last: int | None = None

  def save(self, state: PyTree, *, step: int) -> None:
    """Copies a state to the host and writes it in the background.

    Waits for the previous save, if that is not on disk yet.

    Raises:
      NotSaved: the previous save failed.
    """
    self.wait()
    if step != self._last and processes.is_primary():
      self._saving = self._thread.submit(
        self._write, serialisation.to_host(state), step
      )
    self._last = step

  def check(self) -> None:
    """Raises NotSaved if a save in the background has failed."""
    if self._saving is not None and self._saving.done():
      self.wait()

  def wait(self) -> None:
    """Waits until the last save is on disk.

    Raises:
      NotSaved: it failed.
    """
    saving, self._saving = self._saving, None
    if saving is not None:
      saving.result()

  def close(self) -> None:
    """Waits until the last save is on disk, and ends the thread.

    Raises:
      NotSaved: it failed.
    """
    self._thread.shutdown()
    self.wait()

  def restore(self, like: PyTree) -> PyTree | None:
    """Restores the newest intact state.

    Args:
      like: a state, or the shapes, types and shardings of one.

    Returns:
      the state on the devices of `like`, or None if nothing was saved yet.

    Raises:
      ValueError: no checkpoint is intact, or the newest one is of another
        config, of other data or of other networks.
    """
    with processes.fail_together():
      step, leaves = self._read(like) if processes.is_primary() else (-1, None)
    (sent,) = processes.broadcast_from_primary([np.array(step)])
    if sent < 0:
      return None
    self._last = int(sent)
    leaves = leaves or serialisation.empty_leaves(like)
    leaves = processes.broadcast_from_primary(leaves)
    return serialisation.place(leaves, like=like)

  def _read(self, like: PyTree) -> tuple[int, list[np.ndarray] | None]:
    """Returns the newest intact step and its leaves; -1 if there is none."""
    folder, about = _newest_intact(self._folder, on_damage=self._set_aside)
    if folder is None:
      self._check_none_is_damaged()
      return -1, None
    manifests.check(folder, about, expected=self._identity)
    manifests.warn_of_changes(about, expected=self._about)
    leaves = serialisation.load_leaves(folder / _STATE, like=like)
    return about['step'], leaves

  def _write(self, state: PyTree, step: int) -> None:
    try:
      with atomic.new_folder(self._folder / str(step)) as temporary:
        serialisation.save(temporary / _STATE, state)
        about = {**self._about, **self._identity, 'step': step}
        checksums.write(temporary, about=about)
      self._remove_old()
    # Orbax and TensorStore report a full disk as several types of errors.
    except Exception as error:
      left = _steps(self._folder)
      raise NotSaved(
        f'the checkpoint of step {step} could not be written to '
        f'{self._folder} ({type(error).__name__}: {error}); '
        f'{f"step {left[-1]} is there" if left else "there is none yet"}. Free '
        'some space, or make the folder writable, and start again'
      ) from error

  def _remove_old(self) -> None:
    steps = _steps(self._folder)
    kept = set(steps[-self._keep :])
    if self._keep_every:
      first = {step // self._keep_every: step for step in reversed(steps)}
      kept |= {step for period, step in first.items() if period}
    for step in set(steps) - kept:
      atomic.remove(self._folder / str(step))

  def _set_aside(self, folder: pathlib.Path, error: Exception) -> None:
    target = self._folder / f'{_DAMAGED}{folder.name}'
    number = 1
    while target.exists():
      number += 1
      target = self._folder / f'{_DAMAGED}{folder.name}-{number}'
    _LOGGER.warning(
      'The checkpoint of step %s is damaged: %s. It is renamed to %s, and an '
      'older one is taken.',
      folder.name,
      error,
      target,
    )
    folder.rename(target)

  def _check_none_is_damaged(self) -> None:
    damaged = sorted(path.name for path in self._folder.glob(f'{_DAMAGED}*'))
    if damaged:
      raise ValueError(
        f'no checkpoint in {self._folder} is intact: {", ".join(damaged)}. '
        'Restore one from a copy under its number, or remove the folder to '
        'start from step 0'
      )


def exist(workdir: pathlib.Path) -> bool:
  """Returns whether a run has saved a checkpoint, damaged or not."""
  folder = pathlib.Path(workdir) / _FOLDER
  return bool(_steps(folder) or [*folder.glob(f'{_DAMAGED}*')])


def split(path: pathlib.Path) -> tuple[pathlib.Path, int | None]:
  """Splits DIR/checkpoints/STEP into DIR and the step; others have none."""
  if path.parent.name == _FOLDER and path.name.isdecimal():
    return path.parents[1], int(path.name)
  return path, None


def load(workdir: pathlib.Path, *, step: int | None = None) -> Saved:
  """Reads a run's newest intact checkpoint, also while the run goes on.

  Skips damaged ones with a warning, and leaves them in place.

  Args:
    workdir: the run's folder.
    step: reads the checkpoint of this step; None: the newest.

  Raises:
    FileNotFoundError: the run has saved nothing yet, or not this step.
    ValueError: no checkpoint is intact.
  """
  folder = pathlib.Path(workdir).absolute() / _FOLDER
  if step is not None:
    return _load_step(folder / str(step))
  newest, about = _newest_intact(folder, on_damage=_skip)
  if newest is not None:
    try:
      return Saved(about['step'], serialisation.load(newest / _STATE), about)
    except (OSError, ValueError):
      if newest.exists():
        raise
      return load(workdir)  # the run has replaced it by newer ones
  if steps := _steps(folder):
    raise ValueError(
      f'none of the {len(steps)} checkpoints in {folder} is intact: restore '
      'one from a copy, or train the run again'
    )
  raise FileNotFoundError(
    f'no checkpoint in {folder}: train first, with '
    f'python -m experiments.train --workdir={workdir} ...'
  )


def _load_step(folder: pathlib.Path) -> Saved:
  if not folder.is_dir():
    there = ', '.join(map(str, _steps(folder.parent))) or 'none'
    raise FileNotFoundError(
      f'{folder} does not exist; checkpoints of the run: {there}'
    )
  try:
    about = _verify(folder)
  except checksums.Damaged as error:
    raise ValueError(f'{folder} is damaged: {error}') from error
  return Saved(about['step'], serialisation.load(folder / _STATE), about)


def _skip(folder: pathlib.Path, error: Exception) -> None:
  _LOGGER.warning('%s is damaged and skipped: %s.', folder, error)


def _newest_intact(
  folder: pathlib.Path,
  *,
  on_damage: Callable[[pathlib.Path, Exception], None],
) -> tuple[pathlib.Path | None, dict[str, Any]]:
  """Returns the newest intact checkpoint, and what its manifest says of it.

  Args:
    folder: of all checkpoints.
    on_damage: is called for each newer checkpoint with what is wrong.
  """
  seen: set[int] = set()
  # Listed again each time: a run removes old steps as it saves new ones.
  while unseen := set(_steps(folder)) - seen:
    seen.add(step := max(unseen))
    found = folder / str(step)
    try:
      return found, _verify(found)
    except (checksums.Damaged, FileNotFoundError) as error:
      if found.exists():
        on_damage(found, error)
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
