"""Models of the Hugging Face hub; huggingface_hub is imported only here."""

from __future__ import annotations

import os
import pathlib
import re
import tempfile
from collections.abc import Callable
from typing import Any

from vaegan_jax.runs import exports

_NAME = re.compile(r'[\w-][\w.-]*/[\w-][\w.-]*')


def names_model(path: str | os.PathLike) -> bool:
  """Returns whether a path is 'user/name', and there is no folder 'user'."""
  text = os.fspath(path)
  if not isinstance(text, str) or not _NAME.fullmatch(text):
    return False
  return not pathlib.Path(text.split('/')[0]).exists()


def download(name: str) -> pathlib.Path:
  """Downloads a model; returns its folder in the hub's cache.

  Raises:
    ImportError: huggingface_hub is not installed.
    OSError: there is no such model, or no connection.
  """
  return pathlib.Path(
    _import(name).snapshot_download(name, allow_patterns=exports.FILES)
  )


def upload(name: str, save: Callable[[pathlib.Path], None]) -> str:
  """Uploads a model, which is made if there is none of this name.

  Args:
    name: 'user/name'.
    save: writes the model into a folder.

  Returns:
    the address of the commit.

  Raises:
    ValueError: the name is of another form.
    ImportError: huggingface_hub is not installed.
  """
  if not _NAME.fullmatch(name):
    raise ValueError(f'{name!r} is no name of the hub: expected user/name')
  api = _import(name).HfApi()
  with tempfile.TemporaryDirectory() as parent:
    folder = pathlib.Path(parent) / 'model'
    save(folder)
    api.create_repo(name, exist_ok=True)
    return str(api.upload_folder(repo_id=name, folder_path=str(folder)))


def _import(name: str) -> Any:
  try:
    import huggingface_hub
  except ImportError as error:
    raise ImportError(
      f'{name} is no folder here, and a model of the Hugging Face hub needs '
      "huggingface_hub: pip install 'vaegan_jax[hub]'"
    ) from error
  return huggingface_hub
