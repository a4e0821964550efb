"""A state as files, and back: the only file that knows Orbax."""

from __future__ import annotations

import pathlib
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp

from vaegan_jax.distributed import parallel


def copied(state: Any) -> Any:
  """Copies a state to the host: the next step takes the state's memory."""
  return jax.tree.map(np.array, jax.device_get(jax.tree.map(_plain, state)))


def save(folder: pathlib.Path, state: Any) -> None:
  """Writes a copied state into a new folder."""
  with _orbax() as orbax:
    orbax.save(folder, ocp.args.PyTreeSave(state))


def load(folder: pathlib.Path) -> dict[str, Any]:
  """Reads a state as nested dicts of NumPy arrays."""
  as_numpy = ocp.RestoreArgs(restore_type=np.ndarray)
  with _orbax() as orbax:
    tree = orbax.metadata(folder).item_metadata.tree
    how = jax.tree.map(lambda _: as_numpy, tree)
    return orbax.restore(folder, ocp.args.PyTreeRestore(restore_args=how))


def read(folder: pathlib.Path, *, like: Any) -> list[np.ndarray]:
  """Reads a state's leaves.

  Raises:
    ValueError: they are not of the names and kinds of the leaves of `like`.
  """
  found, expected = _by_path(load(folder)), _by_path(like)
  for path in sorted(found.keys() | expected.keys()):
    there = _kind(found[path]) if path in found else 'absent'
    here = _kind(_plan(expected[path])) if path in expected else 'absent'
    if there != here:
      raise ValueError(
        f'{path} is {there} in {folder} and {here} in this run: another '
        'version of the program saved it'
      )
  return [found[path] for path in expected]


def blank(like: Any) -> list[np.ndarray]:
  """Makes room for the leaves of a state."""
  plain = map(_plan, jax.tree.leaves(like))
  return [np.empty(x.shape, x.dtype) for x in plain]


def placed(leaves: list[np.ndarray], *, like: Any) -> Any:
  """Puts leaves where those of a state belong, and makes keys of its keys."""

  def one(x: np.ndarray, like: Any) -> jax.Array:
    there = parallel.replicate(x, like.sharding)
    return jax.random.wrap_key_data(there) if _is_key(like) else there

  others, structure = jax.tree.flatten(like)
  return jax.tree.unflatten(structure, map(one, leaves, others))


def _orbax() -> ocp.Checkpointer:
  """Gives an Orbax that waits for no other process: only one calls it.

  Its newer interface (v1) compares the folder between all processes.
  """
  process = jax.process_index()
  alone = ocp.options.MultiprocessingOptions(
    primary_host=process,
    active_processes={process},
    barrier_sync_key_prefix=f'process_{process}',
  )
  return ocp.Checkpointer(
    ocp.PyTreeCheckpointHandler(multiprocessing_options=alone),
    multiprocessing_options=alone,
  )


def _by_path(tree: Any) -> dict[str, Any]:
  leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
  return {
    jax.tree_util.keystr(path, simple=True, separator='/'): leaf
    for path, leaf in leaves
  }


def _kind(x: Any) -> str:
  return f'{x.dtype}{list(x.shape)}'


def _plain(x: Any) -> Any:
  """Gives the numbers that a typed key is made of; other arrays as they are."""
  return jax.random.key_data(x) if _is_key(x) else x


def _plan(x: Any) -> jax.ShapeDtypeStruct:
  return jax.eval_shape(_plain, x)


def _is_key(x: Any) -> bool:
  return jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key)
