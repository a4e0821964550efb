"""Loads models of runs, of exports, of the hub and of this package."""

from __future__ import annotations

import os
import pathlib

from vaegan_jax import inference
from vaegan_jax.files import paths
from vaegan_jax.runs import exports, hub

_PRETRAINED = pathlib.Path(__file__).parent / 'pretrained'


def load(
  path: str | os.PathLike, *, step: int | None = None
) -> inference.Model:
  """Loads the model of a run's newest checkpoint, or of another one.

  Args:
    path: the folder of a run or of an exported model; or 'user/name', a model
      of the Hugging Face hub, if there is no folder 'user' here.
    step: of a run: the checkpoint of this step.

  Raises:
    FileNotFoundError: the folder holds no run or model, or no such checkpoint.
    ValueError: the path is none of this machine, no checkpoint is intact, or
      an exported model is not of this step.
    ImportError: huggingface_hub is not installed.
  """
  if hub.names_model(path):
    folder = hub.download(str(path))
  else:
    folder = paths.absolute(path, name='path')
  return inference.Model(exports.read(folder, step=step))


def pretrained(name: str) -> inference.Model:
  """Loads a model that comes with the package.

  Raises:
    ValueError: there is none of this name.
  """
  names = sorted(p.name for p in _PRETRAINED.iterdir() if exports.exists(p))
  if name not in names:
    raise ValueError(f'{name!r} is no model: expected one of {names}')
  return load(_PRETRAINED / name)
