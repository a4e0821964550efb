"""Measures what adding visual attribute vectors to codes changes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Bool, Float32, Int, UInt8

from vaegan_jax import inference
from vaegan_jax.data import cache
from vaegan_jax.evaluation import attribute_vectors
from vaegan_jax.evaluation.features import oracles

Pixels: TypeAlias = UInt8[np.ndarray, '_images _height _width channels']
Codes: TypeAlias = Float32[np.ndarray, '_images latent']
Flags: TypeAlias = Bool[np.ndarray, '_images attributes']
# Indices of test images and the name of an attribute -> pixels of the same
# faces with that attribute flipped.
Counterfactual: TypeAlias = Callable[
  [Int[np.ndarray, ' images'], str], np.ndarray
]


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
      reconstruction; NaN if there is no other. It includes attributes that the
      edit must change, such as another hair colour.
    leaked_random: the same for random vectors.
    counterfactual_error: the root mean square difference from the true
      counterfactual, in levels of 0..255; NaN if that is unknown.
    counterfactual_error_unchanged: the same for plain reconstructions.
    counterfactual_distance: the Euclidean distance from the true
      counterfactual, in the oracle's features; NaN if that is unknown.
    counterfactual_distance_unchanged: the same for plain reconstructions.
  """

  images: int
  flipped: float
  flipped_random: float
  leaked: float
  leaked_random: float
  counterfactual_error: float = math.nan
  counterfactual_error_unchanged: float = math.nan
  counterfactual_distance: float = math.nan
  counterfactual_distance_unchanged: float = math.nan


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
  attributes = _attributes(test, oracle=oracle)
  codes = model.encode(np.asarray(test.images))
  pixels = model.decode(codes)
  plain = _Plain(model, oracle, codes, pixels, oracle.classify(pixels))
  lacking = ~attributes & ~plain.has
  if visible is not None:
    lacking &= visible
  generator = np.random.default_rng(seed)
  by_name, skipped = {}, [*vectors.skipped]
  for name, vector in vectors.by_name.items():
    column = test.attribute_names.index(name)
    rows = np.flatnonzero(lacking[:, column])[:images]
    # Skipped attributes draw too, so that skipping one does not change others.
    directions = generator.normal(size=(random, len(vector)))
    if len(rows) < minimum:
      skipped.append(name)
      continue
    lengths = np.linalg.norm(directions, axis=1, keepdims=True)
    by_name[name] = _measure(
      plain,
      rows,
      column=column,
      vector=vector,
      others=directions * (np.linalg.norm(vector) / lengths),
      truth=counterfactual(rows, name) if counterfactual else None,
    )
  return Edits(by_name, tuple(skipped))


def _attributes(test: cache.Dataset, *, oracle: oracles.Oracle) -> Flags:
  """Returns the attributes of the test images, if the oracle predicts them."""
  if test.attributes is None or test.attribute_names != oracle.attribute_names:
    raise ValueError(
      f'the oracle has the attributes {oracle.attribute_names}, the test '
      f'images have {test.attribute_names}: load the oracle of this data set'
    )
  return test.attributes.astype(bool)


def summary(edits: Edits) -> dict[str, float]:
  """Averages over attributes.

  Returns:
    'attributes', the number of attributes, and the known means of all fields
    of `Edit` but 'images'.

  Raises:
    ValueError: no attribute could be measured.
  """
  if not edits.by_name:
    raise ValueError(
      'no attribute vector was measured, all were skipped '
      f'({", ".join(edits.skipped)}): take more images'
    )
  means = np.mean(list(edits.by_name.values()), axis=0)
  named = dict(zip(Edit._fields, means.tolist(), strict=True))
  named['attributes'] = float(len(edits.by_name))
  del named['images']
  return {name: x for name, x in named.items() if not math.isnan(x)}


class _Plain(NamedTuple):
  """Test images encoded and decoded without an edit.

  Attributes:
    model: encodes and decodes.
    oracle: classifies the reconstructions.
    codes: the codes of the images.
    pixels: the reconstructions.
    has: the predicted attributes of the reconstructions.
  """

  model: inference.Model
  oracle: oracles.Oracle
  codes: Codes
  pixels: Pixels
  has: Flags

  def edit(self, rows: np.ndarray, vector: np.ndarray) -> Pixels:
    """Adds a vector to the codes of some images."""
    codes = self.codes[rows]
    return attribute_vectors.edit(self.model, codes, vector=vector)

  def effect(
    self, rows: np.ndarray, edited: Pixels, *, column: int
  ) -> tuple[float, float]:
    """Computes the fractions 'flipped' and 'leaked' of an edit."""
    changed = self.oracle.classify(edited) != self.has[rows]
    rest = np.delete(changed, column, axis=1)
    leaked = float(rest.mean()) if rest.size else math.nan
    return float(changed[:, column].mean()), leaked

  def distances(self, pixels: Pixels, truth: Pixels) -> tuple[float, float]:
    """Computes the error in levels and the distance in features."""
    gap = pixels.astype(np.float64) - truth
    features = self.oracle.features(pixels) - self.oracle.features(truth)
    error = np.sqrt(np.square(gap).mean((1, 2, 3))).mean()
    return float(error), float(np.linalg.norm(features, axis=1).mean())


def _measure(
  plain: _Plain,
  rows: np.ndarray,
  *,
  column: int,
  vector: np.ndarray,
  others: np.ndarray,
  truth: Pixels | None,
) -> Edit:
  edited = plain.edit(rows, vector)
  flipped, leaked = plain.effect(rows, edited, column=column)
  by_chance = [
    plain.effect(rows, plain.edit(rows, other), column=column)
    for other in others
  ]
  flipped_random, leaked_random = np.mean(by_chance, axis=0).tolist()
  edit = Edit(len(rows), flipped, flipped_random, leaked, leaked_random)
  if truth is None:
    return edit
  error, distance = plain.distances(edited, truth)
  unchanged = plain.distances(plain.pixels[rows], truth)
  return edit._replace(
    counterfactual_error=error,
    counterfactual_error_unchanged=unchanged[0],
    counterfactual_distance=distance,
    counterfactual_distance_unchanged=unchanged[1],
  )
