"""Arrays by name in a folder, beside what they are: whole or not at all."""

from __future__ import annotations

import hashlib
import json
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np

from vaegan_jax.data import npy
from vaegan_jax.files import atomic

_ARRAYS, _ABOUT = 'weights.npz', 'about.json'


def write(
  folder: pathlib.Path,
  named: Mapping[str, np.ndarray],
  *,
  about: Mapping[str, Any],
) -> None:
  """Writes a temporary sibling of a folder, then renames it.

  If another process was first, its folder is kept.

  Args:
    folder: that must not exist yet.
    named: arrays by name.
    about: what they are, in JSON types.
  """
  folder.parent.mkdir(parents=True, exist_ok=True)
  with atomic.new_folder(folder) as temporary:
    np.savez(temporary / _ARRAYS, allow_pickle=False, **named)
    content = (temporary / _ARRAYS).read_bytes()
    about = dict(about) | {'sha256': _digest(content)}
    (temporary / _ABOUT).write_text(json.dumps(about, indent=2) + '\n')


def read(
  folder: pathlib.Path, *, about: Mapping[str, Any]
) -> dict[str, np.ndarray]:
  """Reads the arrays of a folder.

  Raises:
    ValueError: the folder is not what `about` says, or not what was written.
  """
  try:
    found = json.loads((folder / _ABOUT).read_text(encoding='utf-8'))
    content = (folder / _ARRAYS).read_bytes()
  except (OSError, ValueError, RecursionError) as error:
    raise _damaged(folder, str(error)) from error
  if not isinstance(found, dict):
    raise _damaged(folder, f'{_ABOUT} says nothing by name')
  for key, value in dict(about, sha256=_digest(content)).items():
    if found.get(key) != value:
      raise _damaged(folder, f'{key} is {value!r}, not {found.get(key)!r}')
  try:
    return npy.load_npz(content)
  except ValueError as error:
    raise _damaged(folder, str(error)) from error


def _digest(content: bytes) -> str:
  return hashlib.sha256(content).hexdigest()


def _damaged(folder: pathlib.Path, what: str) -> ValueError:
  return ValueError(
    f'the folder {folder} is damaged: {what}; remove it, and the next start '
    'makes it again'
  )
