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
    flipped_shuffled: the same for the vector of shuffled labels, scaled to
      the same length.
    leaked: the fraction of all other attributes that differ from those of the
      reconstruction; NaN if there is no other. It includes attributes that the
      edit must change, such as another hair colour.
    leaked_shuffled: the same for the vector of shuffled labels.
    counterfactual_error: the root mean square difference from the true
      counterfactual, in levels of 0..255; NaN if that is unknown.
    counterfactual_error_unchanged: the same for plain reconstructions.
    counterfactual_distance: the Euclidean distance from the true
      counterfactual, in the oracle's features; NaN if that is unknown.
    counterfactual_distance_unchanged: the same for plain reconstructions.
  """

  images: int
  flipped: float
  flipped_shuffled: float
  leaked: float
  leaked_shuffled: float
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


class Encoded(NamedTuple):
  """Test images encoded and decoded without an edit.

  Attributes:
    model: a model with an encoder.
    oracle: predicts the binary attributes of the images.
    codes: the codes of the images.
    pixels: the reconstructions.
  """

  model: inference.Model
  oracle: oracles.Oracle
  codes: Codes
  pixels: Pixels


def edit_all(
  encoded: Encoded,
  *,
  vectors: attribute_vectors.Vectors,
  shuffled: attribute_vectors.Vectors,
  test: cache.Dataset,
  visible: Flags | None = None,
  counterfactual: Counterfactual | None = None,
  images: int = 100,
  minimum: int = 20,
) -> Edits:
  """Adds each vector to test images that lack its attribute.

  Args:
    encoded: the test images after encoding and decoding.
    vectors: attribute vectors of the model.
    shuffled: vectors of the same attributes from shuffled labels: differences
      of random means, which lie where codes vary.
    test: images with attributes that neither model nor oracle was trained on.
    visible: which attributes can be seen in which image; images where an
      attribute cannot be seen are not edited. All if None.
    counterfactual: draws the true counterfactuals, if they are known.
    images: the maximum number of images to edit for each attribute.
    minimum: attributes with fewer images to edit are skipped.

  Raises:
    ValueError: the oracle has other attributes than the test images, or its
      attributes are scores.
  """
  attributes = _attributes(test, oracle=encoded.oracle)
  has = encoded.oracle.classify(encoded.pixels)
  lacking = ~attributes & ~has
  if visible is not None:
    lacking &= visible
  by_name, skipped = {}, [*vectors.skipped]
  for name, vector in vectors.by_name.items():
    column = test.attribute_names.index(name)
    rows = np.flatnonzero(lacking[:, column])
    rows = rows[cache.spread(len(rows), images)]
    if len(rows) < minimum:
      skipped.append(name)
      continue
    other = shuffled.by_name[name]
    by_name[name] = _measure(
      _Some(*encoded, rows, has[rows], column),
      vector=vector,
      other=other * (np.linalg.norm(vector) / np.linalg.norm(other)),
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


class _Some(NamedTuple):
  """The images that an attribute is added to.

  Attributes:
    model, oracle, codes, pixels: as in `Encoded`, of all test images.
    rows: those that are edited.
    has: the predicted attributes of their reconstructions.
    column: the attribute that is added.
  """

  model: inference.Model
  oracle: oracles.Oracle
  codes: Codes
  pixels: Pixels
  rows: Int[np.ndarray, ' rows']
  has: Bool[np.ndarray, 'rows attributes']
  column: int

  def edit(self, vector: np.ndarray) -> Pixels:
    """Adds a vector to the codes of the images."""
    codes = self.codes[self.rows]
    return attribute_vectors.edit(self.model, codes, vector=vector)

  def effect(self, edited: Pixels) -> tuple[float, float]:
    """Computes the fractions 'flipped' and 'leaked' of an edit."""
    changed = self.oracle.classify(edited) != self.has
    rest = np.delete(changed, self.column, axis=1)
    leaked = float(rest.mean()) if rest.size else math.nan
    return float(changed[:, self.column].mean()), leaked

  def distances(self, truth: Pixels, *pixels: Pixels) -> list[float]:
    """Computes the error in levels and the distance in features, of each."""
    true_features = self.oracle.features(truth)
    found = []
    for images in pixels:
      gap = images.astype(np.float64) - truth
      features = self.oracle.features(images) - true_features
      found.append(float(np.sqrt(np.square(gap).mean((1, 2, 3))).mean()))
      found.append(float(np.linalg.norm(features, axis=1).mean()))
    return found


def _measure(
  some: _Some,
  *,
  vector: np.ndarray,
  other: np.ndarray,
  truth: Pixels | None,
) -> Edit:
  edited = some.edit(vector)
  flipped, leaked = some.effect(edited)
  flipped_shuffled, leaked_shuffled = some.effect(some.edit(other))
  edit = Edit(
    len(some.rows), flipped, flipped_shuffled, leaked, leaked_shuffled
  )
  if truth is None:
    return edit
  error, distance, *unchanged = some.distances(
    truth, edited, some.pixels[some.rows]
  )
  return edit._replace(
    counterfactual_error=error,
    counterfactual_error_unchanged=unchanged[0],
    counterfactual_distance=distance,
    counterfactual_distance_unchanged=unchanged[1],
  )
