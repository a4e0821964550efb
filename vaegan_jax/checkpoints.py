"""Saves, verifies and restores states: the only file that knows Orbax.

A checkpoint is a folder DIR/checkpoints/STEP: Orbax's files in state/, and a
manifest with the sha256 of each. It is made under a hidden name, put on disk
and renamed, so that a folder named by a step was whole once. Restoring reads
every byte again: a step that was damaged since is set aside, with a warning, as
DIR/checkpoints/damaged-STEP, and the newest good one is taken.
"""

from __future__ import annotations

import logging
import pathlib
from collections.abc import Callable, Mapping
from concurrent import futures
from typing import Any

import jax
import numpy as np
from orbax.checkpoint.experimental import v1 as ocp

from vaegan_jax import atomic, manifest

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
    if step != self._last:
      self._saving = self._thread.submit(self._write, _copied(state), step)
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
      like: a state of the same shapes, types and shardings.

    Returns:
      the state, or None if nothing was saved yet.

    Raises:
      ValueError: checkpoints are there but none is whole, or it is one of
        another run, of other data, or of other networks.
    """
    folder, about = _newest_whole(self._folder, damaged=self._set_aside)
    if folder is None:
      self._check_none_is_damaged()
      return None
    self._check_about(folder, about)
    self._last = about['step']
    return _read(folder, like)

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
        ocp.save(temporary / _STATE, state)
        manifest.write(temporary, about={'step': step, **self._about})
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

  def _set_aside(self, folder: pathlib.Path, error: manifest.Damaged) -> None:
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
    return about['step'], _load(newest)
  if steps := _steps(folder):
    raise ValueError(
      f'none of the {len(steps)} checkpoints in {folder} is whole: restore one '
      'from a copy, or train the run again'
    )
  raise FileNotFoundError(
    f'no checkpoint in {folder}: train first, with '
    f'python -m experiments.train --workdir={workdir} ...'
  )


def _pass_over(folder: pathlib.Path, error: manifest.Damaged) -> None:
  _LOGGER.warning('%s is damaged, passed over: %s.', folder, error)


def _newest_whole(
  folder: pathlib.Path,
  *,
  damaged: Callable[[pathlib.Path, manifest.Damaged], None],
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
    except manifest.Damaged as error:
      damaged(found, error)
  return None, {}


def _steps(folder: pathlib.Path) -> list[int]:
  """Lists the steps that were saved, the newest last."""
  if not folder.is_dir():
    return []
  names = (path.name for path in folder.iterdir())
  return sorted(int(name) for name in names if name.isdecimal())


def _verify(folder: pathlib.Path) -> dict[str, Any]:
  about = manifest.verify(folder)
  if about.get('step') != int(folder.name):
    raise manifest.Damaged(f'its manifest is of step {about.get("step")}')
  return about


def _read(folder: pathlib.Path, like: Any) -> Any:
  """Reads a state into the tree of another, which must be of one kind."""
  found, expected = _by_path(_load(folder)), _by_path(like)
  for path in sorted(found.keys() | expected.keys()):
    there = _kind(found[path]) if path in found else 'absent'
    here = _kind(_plain(expected[path])) if path in expected else 'absent'
    if there != here:
      raise ValueError(
        f'{path} is {there} in {folder} and {here} in this run: another '
        'version of the program saved it'
      )
  leaves = [_placed(found[path], like=x) for path, x in expected.items()]
  return jax.tree.unflatten(jax.tree.structure(like), leaves)


def _load(folder: pathlib.Path) -> dict[str, Any]:
  state = folder / _STATE
  metadata = ocp.metadata(state).metadata
  return ocp.load(
    state, jax.tree.map(lambda x: np.empty(x.shape, x.dtype), metadata)
  )


def _by_path(tree: Any) -> dict[str, Any]:
  leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
  return {
    jax.tree_util.keystr(path, simple=True, separator='/'): leaf
    for path, leaf in leaves
  }


def _kind(x: Any) -> str:
  return f'{x.dtype}{list(x.shape)}'


def _copied(state: Any) -> Any:
  """Copies a state to the host: the next step takes the state's memory."""
  return jax.tree.map(np.array, jax.device_get(jax.tree.map(_plain, state)))


def _plain(x: Any) -> Any:
  """Gives the numbers that a typed key is made of; other arrays as they are."""
  return jax.random.key_data(x) if _is_key(x) else x


def _placed(x: np.ndarray, *, like: jax.Array) -> jax.Array:
  """Puts an array where another is; makes it a key if the other is one."""
  placed = jax.device_put(x, like.sharding)
  if not _is_key(like):
    return placed
  return jax.random.wrap_key_data(placed, impl=jax.random.key_impl(like))


def _is_key(x: Any) -> bool:
  return jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key)
