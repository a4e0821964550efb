"""Measures what adding visual attribute vectors to codes changes."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Bool, Float32, Int, UInt8

from vaegan_jax import inference
from vaegan_jax.data import cache
from vaegan_jax.evaluation import attribute_vectors
from vaegan_jax.evaluation.features import oracles

Pixels: TypeAlias = UInt8[np.ndarray, '_images _height _width colours']
Codes: TypeAlias = Float32[np.ndarray, '_images latent']
Flags: TypeAlias = Bool[np.ndarray, '_images attributes']
# Indices of test images and the name of an attribute -> pixels of the same
# faces with that attribute flipped.
Counterfactual: TypeAlias = Callable[
  [Int[np.ndarray, ' images'], str], np.ndarray
]


class Distances(NamedTuple):
  """Mean distances between images and their true counterfactuals.

  Attributes:
    pixels: root mean square over an image's values, in levels of 0..255.
    features: Euclidean, in the oracle's features.
  """

  pixels: float
  features: float


class Edit(NamedTuple):
  """The effect of adding one vector.

  It is measured on images without the attribute whose reconstruction lacks it
  too by the oracle, so an attribute that the reconstruction adds is no success.

  Attributes:
    images: the number of edited images.
    flipped: the fraction of them that have the attribute afterwards, by the
      oracle.
    flipped_random: the same for random vectors of the same length.
    leaked: the fraction of all other attributes that differ from those of the
      reconstruction. It includes attributes that the edit must change, such as
      another hair colour.
    leaked_random: the same for random vectors.
    edited: distances between edited images and the true counterfactuals, where
      these are known.
    unchanged: distances between plain reconstructions and the same.
  """

  images: int
  flipped: float
  flipped_random: float
  leaked: float
  leaked_random: float
  edited: Distances | None
  unchanged: Distances | None


class Edits(NamedTuple):
  """The effect of adding each vector.

  Attributes:
    by_name: the edit of each attribute that could be measured.
    skipped: attributes without a vector, and those that too few test images
      lack.
  """

  by_name: dict[str, Edit]
  skipped: tuple[str, ...]


def edit_all(
  model: inference.Model,
  oracle: oracles.Oracle,
  *,
  vectors: attribute_vectors.Vectors,
  test: cache.Dataset,
  visible: Flags | None = None,
  counterfactual: Counterfactual | None = None,
  images: int = 500,
  minimum: int = 20,
  random: int = 1,
  seed: int = 0,
) -> Edits:
  """Adds each vector to test images that lack its attribute.

  Args:
    model: a model with an encoder.
    oracle: predicts the binary attributes of `test`.
    vectors: attribute vectors of the model.
    test: images with attributes that neither model nor oracle was trained on.
    visible: which attributes can be seen in which image; images where an
      attribute cannot be seen are not edited. All if None.
    counterfactual: draws the true counterfactuals, if they are known.
    images: the maximum number of images to edit for each attribute.
    minimum: attributes with fewer images to edit are skipped.
    random: the number of random vectors to compare with.
    seed: determines the random vectors.

  Raises:
    ValueError: the oracle has other attributes than the test images, or its
      attributes are scores.
  """
  if test.attributes is None or test.attribute_names != oracle.attribute_names:
    raise ValueError(
      f'the oracle has the attributes {oracle.attribute_names}, the test '
      f'images have {test.attribute_names}: load the oracle of this data set'
    )
  plain = _reconstruct(model, oracle, np.asarray(test.images))
  lacking = ~test.attributes.astype(bool) & ~plain.has
  if visible is not None:
    lacking &= visible
  generator = np.random.default_rng(seed)
  by_name, skipped = {}, [*vectors.skipped]
  for name, vector in vectors.by_name.items():
    column = test.attribute_names.index(name)
    indices = np.flatnonzero(lacking[:, column])[:images]
    # Skipped attributes draw too, so that skipping one does not change others.
    directions = generator.normal(size=(random, len(vector)))
    if len(indices) < minimum:
      skipped.append(name)
      continue
    lengths = np.linalg.norm(directions, axis=1, keepdims=True)
    by_name[name] = _edit(
      plain,
      indices,
      column=column,
      vector=vector,
      others=directions * (np.linalg.norm(vector) / lengths),
      truth=counterfactual(indices, name) if counterfactual else None,
    )
  return Edits(by_name, tuple(skipped))


def summary(edits: Edits) -> dict[str, float]:
  """Averages over attributes.

  Returns:
    'flipped', 'flipped_random', 'leaked' and 'leaked_random' as in `Edit`;
    'attributes', the number of attributes. Where the true counterfactuals are
    known, 'counterfactual_error' in levels of 0..255 and
    'counterfactual_distance' in the oracle's features, and both for plain
    reconstructions with the suffix '_unchanged'.

  Raises:
    ValueError: no attribute could be measured.
  """
  if not edits.by_name:
    raise ValueError(
      'no attribute vector was measured, all were skipped '
      f'({", ".join(edits.skipped)}): take more images'
    )
  each = list(edits.by_name.values())
  fields = ('flipped', 'flipped_random', 'leaked', 'leaked_random')
  means = {
    field: float(np.mean([getattr(one, field) for one in each]))
    for field in fields
  }
  means['attributes'] = float(len(each))
  for suffix, field in (('', 'edited'), ('_unchanged', 'unchanged')):
    known = [getattr(one, field) for one in each]
    if None not in known:
      pixels, features = np.mean(known, axis=0)
      means[f'counterfactual_error{suffix}'] = float(pixels)
      means[f'counterfactual_distance{suffix}'] = float(features)
  return means


class _Plain(NamedTuple):
  """Reconstructions of the test images without edits, and their models."""

  model: inference.Model
  oracle: oracles.Oracle
  codes: Codes
  pixels: Pixels
  has: Flags


def _reconstruct(
  model: inference.Model, oracle: oracles.Oracle, images: Pixels
) -> _Plain:
  codes = model.encode(images)
  pixels = model.decode(codes)
  return _Plain(model, oracle, codes, pixels, oracle.classify(pixels))


def _edit(
  plain: _Plain,
  indices: np.ndarray,
  *,
  column: int,
  vector: np.ndarray,
  others: np.ndarray,
  truth: Pixels | None,
) -> Edit:
  def edited_by(vector: np.ndarray) -> Pixels:
    codes = plain.codes[indices]
    return attribute_vectors.edit(plain.model, codes, vector=vector)

  def effect(edited: Pixels) -> tuple[float, float]:
    changed = plain.oracle.classify(edited) != plain.has[indices]
    rest = np.delete(changed, column, axis=1)
    return float(changed[:, column].mean()), float(rest.mean())

  def distances(pixels: Pixels) -> Distances | None:
    return None if truth is None else _distances(plain.oracle, pixels, truth)

  edited = edited_by(vector)
  flipped, leaked = effect(edited)
  by_chance = [effect(edited_by(other)) for other in others]
  flipped_random, leaked_random = np.mean(by_chance, axis=0).tolist()
  return Edit(
    images=len(indices),
    flipped=flipped,
    flipped_random=flipped_random,
    leaked=leaked,
    leaked_random=leaked_random,
    edited=distances(edited),
    unchanged=distances(plain.pixels[indices]),
  )


def _distances(
  oracle: oracles.Oracle, pixels: Pixels, truth: Pixels
) -> Distances:
  gap = pixels.astype(np.float64) - truth
  features = oracle.features(pixels) - oracle.features(truth)
  return Distances(
    pixels=float(np.sqrt(np.square(gap).mean((1, 2, 3))).mean()),
    features=float(np.linalg.norm(features, axis=1).mean()),
  )
