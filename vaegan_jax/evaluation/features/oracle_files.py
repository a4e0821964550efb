"""Trains oracles and keeps them on disk; some come with the package."""

from __future__ import annotations

import hashlib
import json
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from flax import traverse_util

from vaegan_jax.data import cache
from vaegan_jax.data.sources import faces
from vaegan_jax.evaluation.features import oracles, predictor
from vaegan_jax.files import weights

# Increase it whenever the same call would train another network.
VERSION = 1
# The oracles of drawn faces that come with the package.
SHIPPED = pathlib.Path(__file__).parents[2] / 'pretrained' / 'oracles'


def load(
  train: cache.Dataset,
  held_out: cache.Dataset,
  *,
  recipe: predictor.Recipe = predictor.REFERENCE,
  directory: pathlib.Path | None = None,
  seed: int = 0,
  visible: oracles.Flags | None = None,
  progress: bool = True,
) -> oracles.Oracle:
  """Loads the oracle of a data set; trains and stores it if there is none.

  Oracles that older versions stored as .npz are not read but trained again.

  Args:
    train: training images with attributes: bool or 0/1 integers, or scores as
      floats.
    held_out: images of the same kind for its validation.
    recipe: the settings of the network and its training.
    directory: the cache folder; `cache.default_directory()` if None.
    seed: determines initial weights, order and augmentation.
    visible: which attributes of `held_out` count in the validation; all if
      None.
    progress: whether to show the progress on stderr.

  Raises:
    ValueError: the data sets differ in kind or have no attributes, or the
      stored file is damaged.
  """
  truth = _check(train, held_out)
  about = _about(
    train.digest, truth, names=train.attribute_names, recipe=recipe, seed=seed
  )
  folder = (directory or cache.default_directory()) / 'oracles'
  path = folder / f'{train.source}-{_digest(about)[:16]}.safetensors'
  if not path.exists():
    variables = predictor.fit(
      train,
      scale=predictor.scale_of(truth),
      recipe=recipe,
      seed=seed,
      progress=progress,
    )
    flat = traverse_util.flatten_dict(variables, sep='/')
    weights.write(path, flat, about=about)
  oracle = _read(path, about, truth, recipe=recipe, held_out=held_out)
  oracle.validation = oracles.validate(oracle, held_out, visible=visible)
  return oracle


def shipped(
  source: faces.Faces,
  held_out: cache.Dataset,
  *,
  recipe: predictor.Recipe = predictor.REFERENCE,
  folder: pathlib.Path = SHIPPED,
  visible: oracles.Flags | None = None,
) -> oracles.Oracle | None:
  """Loads the oracle of drawn faces that comes with the package.

  Args:
    source: what the oracle was trained on, which is not drawn.
    held_out: as in `load`.
    recipe: as in `load`.
    folder: of the weights.
    visible: as in `load`.

  Returns:
    the oracle; None if there is none of this source and recipe.

  Raises:
    ValueError: its file is damaged.
  """
  path = _shipped_path(folder, source)
  if not path.exists():
    return None
  truth = source.attributes('train')
  about = _about_shipped(source, truth, recipe)
  _, found = weights.load(path, about={})
  if {name: found.get(name) for name in about} != about:
    return None
  oracle = _read(path, about, truth, recipe=recipe, held_out=held_out)
  oracle.validation = oracles.validate(oracle, held_out, visible=visible)
  return oracle


def ship(
  source: faces.Faces,
  *,
  recipe: predictor.Recipe = predictor.REFERENCE,
  folder: pathlib.Path = SHIPPED,
  directory: pathlib.Path | None = None,
) -> None:
  """Writes the oracle of drawn faces, in float16, for `shipped`.

  Args:
    source: what it is trained on, unless it was.
    recipe: as in `load`.
    folder: of the weights.
    directory: the cache folder, as in `load`.
  """
  train = cache.load(source, split='train', directory=directory)
  oracle = load(train, train.first(100), recipe=recipe, directory=directory)
  flat = traverse_util.flatten_dict(oracle.variables, sep='/')
  weights.write(
    _shipped_path(folder, source),
    {name: np.asarray(x, np.float16) for name, x in flat.items()},
    about=_about_shipped(source, source.attributes('train'), recipe),
  )


def _shipped_path(folder: pathlib.Path, source: faces.Faces) -> pathlib.Path:
  height, width = source.size
  return folder / f'{source.name}-{height}x{width}.safetensors'


def _read(
  path: pathlib.Path,
  about: Mapping[str, Any],
  truth: oracles.Attributes,
  *,
  recipe: predictor.Recipe,
  held_out: cache.Dataset,
) -> oracles.Oracle:
  scale = predictor.scale_of(truth)
  flat, found = weights.load(path, about=about)
  wide = {name: x.astype(np.float32) for name, x in flat.items()}
  return oracles.Oracle(
    predictor.build(scale, recipe),
    jax.device_put(traverse_util.unflatten_dict(wide, sep='/')),
    scale=scale,
    image_shape=held_out.images.shape[1:],
    attribute_names=held_out.attribute_names,
    digest=found['sha256'],
  )


def _check(train: cache.Dataset, held_out: cache.Dataset) -> oracles.Attributes:
  kinds = [
    (
      split.images.shape[1:],
      split.attribute_names,
      oracles.attributes_of(split).dtype,
    )
    for split in (train, held_out)
  ]
  if kinds[0] != kinds[1]:
    raise ValueError(
      f'training images and held-out images differ: {kinds[0]} and '
      f'{kinds[1]}; take splits of one source'
    )
  return oracles.attributes_of(train)


def _about_shipped(
  source: faces.Faces, truth: oracles.Attributes, recipe: predictor.Recipe
) -> dict[str, Any]:
  # Its settings determine the images that a source draws. The numbers of the
  # held-out ones do not change the others.
  fingerprint = json.loads(json.dumps(source.fingerprint()))
  for split in ('validation', 'test'):
    del fingerprint[split]
  return _about(
    fingerprint, truth, names=source.attribute_names, recipe=recipe, seed=0
  )


def _digest(about: Mapping[str, Any]) -> str:
  return hashlib.sha256(json.dumps(about).encode()).hexdigest()


def _about(
  images: Any,
  truth: oracles.Attributes,
  *,
  names: tuple[str, ...],
  recipe: predictor.Recipe,
  seed: int,
) -> dict[str, Any]:
  """Describes in JSON types all that determines the weights."""
  values = np.ascontiguousarray(truth)
  return {
    'version': VERSION,
    'images': images,
    'attributes': hashlib.sha256(values.data).hexdigest(),
    'attribute_names': list(names),
    'seed': seed,
    **recipe._asdict(),
  }
