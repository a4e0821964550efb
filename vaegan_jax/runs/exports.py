"""A trained model in one folder: model.safetensors, config.json, README.md.

It has no optimizer state, is read without Orbax, and may hold what is known of
the codes of the training images: a Gaussian to sample from, and attribute
vectors.
"""

from __future__ import annotations

import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from flax import traverse_util
from flax.typing import VariableDict
from jaxtyping import Float32

from vaegan_jax.config import schema
from vaegan_jax.core import gaussian
from vaegan_jax.files import atomic, weights
from vaegan_jax.runs import config_file

# What a manifest calls the limits of a conditional model's attributes.
LIMITS = 'attribute_limits'

_COLLECTIONS = ('params', 'batch_stats')
_WEIGHTS = 'model.safetensors'
_CARD = 'README.md'
_FORMAT = {'format': 'vaegan_jax.export', 'version': 1}
# Prefixes of the arrays of the file.
_NETWORKS, _PRIOR, _VECTORS = 'networks/', 'prior/', 'attribute_vectors/'


class Export(NamedTuple):
  """What an exported model holds.

  Attributes:
    config: the settings of its run.
    variables: of each network, in float32.
    step: the training step of the variables.
    attribute_limits: of a conditional model, as in a checkpoint's manifest.
    prior: fitted to the codes of the training images, if it is known.
    attribute_vectors: by name; empty if they are not known.
  """

  config: schema.Config
  variables: Mapping[str, VariableDict]
  step: int
  attribute_limits: list[list[float]] | None = None
  prior: gaussian.Gaussian | None = None
  attribute_vectors: Mapping[str, Float32[np.ndarray, ' latent']] = {}


def exists(folder: pathlib.Path) -> bool:
  """Returns whether a folder holds an exported model."""
  return (folder / _WEIGHTS).is_file()


def refuse(folder: pathlib.Path) -> None:
  """Refuses to write over a run or a model.

  Raises:
    ValueError: the folder holds one.
  """
  if exists(folder) or config_file.path_in(folder).exists():
    raise ValueError(
      f'{folder} holds a model or a run already: name another folder'
    )


def write(
  folder: pathlib.Path, export: Export, *, card: str, half: bool = False
) -> None:
  """Writes a model into a folder that holds no other files of these names.

  Args:
    folder: made if it is missing.
    export: the model.
    card: the text of README.md.
    half: whether to store float16, which halves the file and rounds weights to
      three digits.

  Raises:
    ValueError: as `refuse`.
  """
  refuse(folder)
  arrays = dict(
    traverse_util.flatten_dict({'networks': export.variables}, sep='/')
  )
  arrays |= {_VECTORS + n: x for n, x in export.attribute_vectors.items()}
  if export.prior is not None:
    arrays |= {_PRIOR + n: x for n, x in export.prior._asdict().items()}
  dtype = np.float16 if half else np.float32
  weights.write(
    folder / _WEIGHTS,
    {name: np.asarray(x, dtype) for name, x in arrays.items()},
    about={
      **_FORMAT,
      'step': export.step,
      LIMITS: export.attribute_limits,
    },
  )
  atomic.write_text(folder / _CARD, card)
  # Last: a folder with a config is complete. Its paths are those of a machine.
  places = [n for n, setting in schema.SETTINGS.items() if setting.path]
  config = schema.change(export.config, dict.fromkeys(places, ''))
  config_file.write(folder, config)


def read(path: pathlib.Path) -> Export:
  """Reads an exported model, or what an export of a run holds.

  Args:
    path: the folder of a model or of a run, or DIR/checkpoints/STEP of a run.

  Raises:
    FileNotFoundError: the folder holds no run or model, or no such checkpoint.
    ValueError: a file is damaged, or no checkpoint is intact.
  """
  return _read_model(path) if exists(path) else _read_run(path)


def _read_run(path: pathlib.Path) -> Export:
  # Imported here, as Orbax takes a second, and an exported model is without.
  from vaegan_jax.runs import checkpoints

  run, step = checkpoints.split(path)
  config = config_file.read(run)
  saved = checkpoints.load(run, step=step)
  variables = {
    # The averaged variables if there are any, else those of the last step.
    name: network.get('average') or {x: network[x] for x in _COLLECTIONS}
    for name, network in saved.state['networks'].items()
  }
  return Export(config, variables, saved.step, saved.about.get(LIMITS))


def _read_model(folder: pathlib.Path) -> Export:
  arrays, about = weights.load(folder / _WEIGHTS, about=_FORMAT)
  wide = {name: x.astype(np.float32) for name, x in arrays.items()}
  prior = _below(_PRIOR, wide)
  return Export(
    config_file.read(folder),
    traverse_util.unflatten_dict(_below(_NETWORKS, wide), sep='/'),
    step=about['step'],
    attribute_limits=about[LIMITS],
    prior=gaussian.Gaussian(
      *(prior[name].astype(np.float64) for name in gaussian.Gaussian._fields)
    )
    if prior
    else None,
    attribute_vectors=_below(_VECTORS, wide),
  )


def _below(prefix: str, arrays: Mapping[str, Any]) -> dict[str, Any]:
  return {
    name.removeprefix(prefix): x
    for name, x in arrays.items()
    if name.startswith(prefix)
  }
