"""Arrays by name in a folder, beside what they are: whole or not at all."""

from __future__ import annotations

import hashlib
import json
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from vaegan_jax import atomic

_ARRAYS, _ABOUT = 'weights.npz', 'about.json'


def write(
  folder: pathlib.Path,
  arrays: Mapping[str, np.ndarray],
  *,
  about: Mapping[str, Any],
) -> None:
  """Writes a temporary sibling of a folder, then renames it.

  If another process was first, its folder is kept.

  Args:
    folder: that must not exist yet.
    arrays: by name.
    about: what they are, in JSON types.
  """
  folder.parent.mkdir(parents=True, exist_ok=True)
  with atomic.new_folder(folder) as temporary:
    np.savez(temporary / _ARRAYS, allow_pickle=False, **arrays)
    about = dict(about) | {'sha256': _digest(temporary / _ARRAYS)}
    (temporary / _ABOUT).write_text(json.dumps(about, indent=2) + '\n')


def read(
  folder: pathlib.Path, *, about: Mapping[str, Any]
) -> dict[str, np.ndarray]:
  """Reads the arrays of a folder.

  Raises:
    ValueError: the folder is not what `about` says, or not what was written.
  """
  try:
    found = json.loads((folder / _ABOUT).read_text())
    digest = _digest(folder / _ARRAYS)
  except (OSError, ValueError) as error:
    raise _damaged(folder, str(error)) from error
  for key, value in dict(about, sha256=digest).items():
    if found.get(key) != value:
      raise _damaged(folder, f'{key} is {value!r}, not {found.get(key)!r}')
  with np.load(folder / _ARRAYS, allow_pickle=False) as arrays:
    return dict(arrays)


def _digest(path: pathlib.Path) -> str:
  return hashlib.sha256(path.read_bytes()).hexdigest()


def _damaged(folder: pathlib.Path, what: str) -> ValueError:
  return ValueError(
    f'the folder {folder} is damaged: {what}; remove it, and the next start '
    'makes it again'
  )
