"""Writes a state to files and reads it back; only this module uses Orbax."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from jaxtyping import PyTree

from vaegan_jax.distributed import parallel

# Fields of NetworkState that version 0.1 saved under other names.
_RENAMED = {'statistics': 'batch_stats', 'optimizer': 'opt_state'}


def to_host(state: PyTree) -> PyTree:
  """Copies a state to the host, before the next step reuses its memory."""
  return jax.tree.map(np.array, jax.device_get(jax.tree.map(_raw, state)))


def save(folder: pathlib.Path, state: PyTree) -> None:
  """Writes a state on the host into a new folder."""
  with _checkpointer() as checkpointer:
    checkpointer.save(folder, ocp.args.PyTreeSave(state))


def load(folder: pathlib.Path) -> dict[str, Any]:
  """Reads a state as nested dicts of NumPy arrays."""
  as_numpy = ocp.RestoreArgs(restore_type=np.ndarray)
  with _checkpointer() as checkpointer:
    tree = checkpointer.metadata(folder).item_metadata.tree
    args = jax.tree.map(lambda _: as_numpy, tree)
    state = checkpointer.restore(
      folder, ocp.args.PyTreeRestore(restore_args=args)
    )
  return _with_current_names(state)


def load_leaves(folder: pathlib.Path, *, like: PyTree) -> list[np.ndarray]:
  """Reads a state's leaves, in the order of those of `like`.

  Raises:
    ValueError: their names, shapes or types are not those of `like`.
  """
  state = load(folder)
  for difference in differences(state, like):
    raise ValueError(
      f'{folder} is of another version of the program: {difference}'
    )
  found = _by_path(state)
  return [found[path] for path in _by_path(like)]


def differences(state: PyTree, like: PyTree) -> Iterator[str]:
  """Yields the arrays that two states do not share, with shapes and types.

  Args:
    state: arrays of NumPy.
    like: a state, or the shapes and types of one.
  """
  found, expected = _by_path(state), _by_path(like)
  for path in sorted(found.keys() | expected.keys()):
    there = _type(found[path]) if path in found else 'absent'
    here = _type(_abstract(expected[path])) if path in expected else 'absent'
    if there != here:
      yield f'{path} is {there} there and {here} in this run'


def empty_leaves(like: PyTree) -> list[np.ndarray]:
  """Returns uninitialised arrays of the shapes and types of a state."""
  leaves = map(_abstract, jax.tree.leaves(like))
  return [np.empty(x.shape, x.dtype) for x in leaves]


def place(leaves: list[np.ndarray], *, like: PyTree) -> PyTree:
  """Puts leaves onto the devices of `like`, and makes its keys typed again."""

  def one(x: np.ndarray, like: Any) -> jax.Array:
    placed = parallel.replicate(x, like.sharding)
    return jax.random.wrap_key_data(placed) if _is_key(like) else placed

  others, structure = jax.tree.flatten(like)
  return jax.tree.unflatten(structure, map(one, leaves, others))


def _with_current_names(state: dict[str, Any]) -> dict[str, Any]:
  """Renames the fields that an older version saved under other names."""
  networks = {
    network: {_RENAMED.get(name, name): x for name, x in fields.items()}
    for network, fields in state.get('networks', {}).items()
  }
  return {**state, 'networks': networks} if networks else state


def _checkpointer() -> ocp.Checkpointer:
  """Returns an Orbax checkpointer that runs in this process alone.

  Orbax's newer interface (v1) waits for the other processes.
  """
  process = jax.process_index()
  options = ocp.options.MultiprocessingOptions(
    primary_host=process,
    active_processes={process},
    barrier_sync_key_prefix=f'process_{process}',
  )
  return ocp.Checkpointer(
    ocp.PyTreeCheckpointHandler(multiprocessing_options=options),
    multiprocessing_options=options,
  )


def _by_path(tree: PyTree) -> dict[str, Any]:
  return {
    jax.tree_util.keystr(path, simple=True, separator='/'): leaf
    for path, leaf in jax.tree.leaves_with_path(tree)
  }


def _type(x: Any) -> str:
  return f'{x.dtype}{list(x.shape)}'


def _raw(x: Any) -> Any:
  """Returns the numbers of a typed key, and other arrays as they are."""
  return jax.random.key_data(x) if _is_key(x) else x


def _abstract(x: Any) -> jax.ShapeDtypeStruct:
  return jax.eval_shape(_raw, x)


def _is_key(x: Any) -> bool:
  return jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key)
