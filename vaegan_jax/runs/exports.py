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

from vaegan_jax.config import build, schema
from vaegan_jax.core import gaussian
from vaegan_jax.data.images import defects
from vaegan_jax.files import atomic, weights
from vaegan_jax.runs import config_file

# What a manifest calls the limits of a conditional model's attributes.
LIMITS = 'attribute_limits'

_COLLECTIONS = ('params', 'batch_stats')
_WEIGHTS = 'model.safetensors'
_CARD = 'README.md'
FILES = (_WEIGHTS, _CARD, config_file.NAME)
_FORMAT = {'format': 'vaegan_jax.export', 'version': 1}
# What a run knows of the codes of its training images, after its last step.
_CODES = 'codes.safetensors'
_CODES_FORMAT = {'format': 'vaegan_jax.codes', 'version': 1}
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
  """Refuses to write over a run, a model, or another README.md.

  Raises:
    ValueError: the folder holds one.
  """
  if exists(folder) or config_file.path_in(folder).exists():
    raise ValueError(
      f'{folder} holds a model or a run already: name another folder'
    )
  if (folder / _CARD).exists():
    raise ValueError(
      f'{folder} has a {_CARD}, which would be replaced: name another folder'
    )


def write(
  folder: pathlib.Path, export: Export, *, card: str, half: bool = False
) -> None:
  """Writes a model into a folder that holds no other files of these names.

  Args:
    folder: made if it is missing.
    export: the model.
    card: the text of README.md.
    half: whether to store kernels in float16, which halves the file and rounds
      them to three digits. Running variances may exceed what float16 can hold.

  Raises:
    ValueError: as `refuse`.
  """
  refuse(folder)
  arrays = dict(
    traverse_util.flatten_dict({'networks': export.variables}, sep='/')
  )
  arrays |= _codes_of(export)
  weights.write(
    folder / _WEIGHTS,
    {
      name: np.asarray(x, _dtype(name, half=half)) for name, x in arrays.items()
    },
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


def _dtype(name: str, *, half: bool) -> type[np.floating]:
  return np.float16 if half and name.endswith('/kernel') else np.float32


def card(export: Export) -> str:
  """Returns the beginning of a model card in Markdown: what it is, and its use.

  It names the model's data and size, and how to load and sample it.
  """
  config = export.config
  title = build.model(config).title
  size = 'x'.join(map(str, build.size(config)))
  given = ''
  asked = 'model.sample(8, prior=model.fitted_prior)'
  if names := build.conditional(config):
    given = (
      f'attributes = 8 * [{len(names)} * [0]]  # the columns: '
      f'{defects.few(names)}\n'
    )
    asked = 'model.sample(8, attributes, prior=model.fitted_prior)'
  return f"""# {title} on {config.data.source} at {size}

```python
import vaegan_jax

model = vaegan_jax.load('FOLDER')  # where this file lies
{given}images = {asked}  # uint8 [8, H, W, C]
```
"""


def write_codes(workdir: pathlib.Path, export: Export) -> None:
  """Keeps an export's prior and attribute vectors with its run."""
  weights.write(
    workdir / _CODES,
    {n: np.asarray(x, np.float32) for n, x in _codes_of(export).items()},
    about={**_CODES_FORMAT, 'step': export.step},
  )


def read(path: pathlib.Path, *, step: int | None = None) -> Export:
  """Reads an exported model, or what an export of a run holds.

  Args:
    path: the folder of a model or of a run, or DIR/checkpoints/STEP of a run.
    step: the checkpoint of a run; None: the newest, or that of the path.

  Raises:
    FileNotFoundError: the folder holds no run or model, or no such checkpoint.
    ValueError: a file is damaged, no checkpoint is intact, or a model or the
      path is of another step.
  """
  if exists(path):
    found = _read_model(path)
    if step not in (None, found.step):
      raise ValueError(
        f'step = {step}: {path} is a model of step {found.step:,} alone'
      )
    return found
  return _read_run(path, step)


def _read_run(path: pathlib.Path, wanted: int | None) -> Export:
  # Imported here, as Orbax takes a second, and an exported model is without.
  from vaegan_jax.runs import checkpoints

  run, step = checkpoints.split(path)
  if wanted is not None and step not in (None, wanted):
    raise ValueError(f'step = {wanted}: {path} is the checkpoint of {step}')
  step = wanted if step is None else step
  config = config_file.read(run)
  saved = checkpoints.load(run, step=step)
  variables = {
    # The averaged variables if there are any, else those of the last step.
    name: network.get('average') or {x: network[x] for x in _COLLECTIONS}
    for name, network in saved.state['networks'].items()
  }
  return Export(
    config,
    variables,
    saved.step,
    saved.about.get(LIMITS),
    *_read_codes(run, step=saved.step),
  )


def _codes_of(export: Export) -> dict[str, np.ndarray]:
  arrays = {_VECTORS + n: x for n, x in export.attribute_vectors.items()}
  if export.prior is not None:
    arrays |= {_PRIOR + n: x for n, x in export.prior._asdict().items()}
  return arrays


def _read_codes(
  run: pathlib.Path, *, step: int
) -> tuple[gaussian.Gaussian | None, dict[str, np.ndarray]]:
  """Reads what a run knows of its codes, if that is of this step."""
  if not (run / _CODES).exists():
    return None, {}
  arrays, about = weights.load(run / _CODES, about=_CODES_FORMAT)
  return _from_arrays(arrays) if about['step'] == step else (None, {})


def _from_arrays(
  arrays: Mapping[str, np.ndarray],
) -> tuple[gaussian.Gaussian | None, dict[str, np.ndarray]]:
  fields = _below(_PRIOR, arrays)
  prior = (
    gaussian.Gaussian(
      *(fields[name].astype(np.float64) for name in gaussian.Gaussian._fields)
    )
    if fields
    else None
  )
  return prior, _below(_VECTORS, arrays)


def _read_model(folder: pathlib.Path) -> Export:
  arrays, about = weights.load(folder / _WEIGHTS, about=_FORMAT)
  wide = {name: x.astype(np.float32) for name, x in arrays.items()}
  return Export(
    config_file.read(folder),
    traverse_util.unflatten_dict(_below(_NETWORKS, wide), sep='/'),
    about['step'],
    about[LIMITS],
    *_from_arrays(wide),
  )


def _below(prefix: str, arrays: Mapping[str, Any]) -> dict[str, Any]:
  return {
    name.removeprefix(prefix): x
    for name, x in arrays.items()
    if name.startswith(prefix)
  }
