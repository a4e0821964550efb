"""Oracles: networks that predict the attributes of an image.

An oracle is trained once for a data set (oracle_files). It serves the
paper's attribute similarity and the test of visual attribute vectors; its
hidden layer serves as features for distances between sets of images.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import numpy as np
from flax.typing import VariableDict
from jaxtyping import Bool, Float32, Float64, Shaped, UInt8
from scipy import special

from vaegan_jax.data import cache, chunks
from vaegan_jax.evaluation.features import predictor
from vaegan_jax.evaluation.metrics import accuracy

_BATCH = 64  # images per call of the network

Pixels: TypeAlias = UInt8[np.ndarray, '_images _height _width channels']
Attributes: TypeAlias = Shaped[np.ndarray, 'images attributes']
Flags: TypeAlias = Bool[np.ndarray, 'images attributes']


class Validation(NamedTuple):
  """The accuracy of an oracle on images that it was not trained on.

  Attributes:
    images: the number of images.
    measures: for each attribute, 'balanced_accuracy' (0.5 is a guess) if the
      attributes are binary, else 'correlation' and 'explained_variance'. NaN
      where all images agree on an attribute.
  """

  images: int
  measures: Mapping[str, Float64[np.ndarray, ' attributes']]

  def means(self) -> dict[str, float]:
    """Averages each measure over the attributes that have a value."""
    return {name: accuracy.mean(x) for name, x in self.measures.items()}


_NOT_VALIDATED = Validation(0, {})


class Oracle:
  """A trained predictor of attributes.

  Attributes:
    image_shape: height, width and channels of the images that it takes.
    attribute_names: the names of the columns of its predictions.
    binary: whether attributes are binary, rather than scores.
    digest: the SHA-256 of all that determines its weights, in hexadecimal.
    validation: its accuracy on held-out images; `oracle_files` fills it in.
    variables: of its network.
  """

  def __init__(
    self,
    network: predictor.Predictor,
    variables: VariableDict,
    *,
    scale: predictor.Scale,
    image_shape: tuple[int, ...],
    attribute_names: tuple[str, ...],
    digest: str = '',
    validation: Validation = _NOT_VALIDATED,
  ):
    self.image_shape = image_shape
    self.attribute_names = attribute_names
    self.binary = scale.binary
    self.digest = digest
    self.validation = validation
    self.variables = variables
    self._network, self._scale = network, scale

  def features(self, pixels: Pixels) -> Float32[np.ndarray, 'images features']:
    """Computes the hidden layer, in standard deviations of the training set.

    Raises:
      ValueError: the images have another size, or there are none.
    """
    return self._apply(pixels)[0]

  def predict(self, pixels: Pixels) -> Float32[np.ndarray, 'images attributes']:
    """Predicts probabilities of binary attributes, or scores in their units.

    The probabilities assume that half of all images have an attribute, so the
    threshold 0.5 maximises the balanced accuracy.

    Raises:
      ValueError: the images have another size, or there are none.
    """
    outputs = self._apply(pixels)[1]
    if self.binary:
      return special.expit(outputs)
    return outputs * self._scale.deviation + self._scale.mean

  def classify(self, pixels: Pixels) -> Flags:
    """Predicts which binary attributes each image has.

    Raises:
      ValueError: the attributes are scores.
    """
    if not self.binary:
      raise ValueError(
        'this oracle predicts scores, and only binary attributes can be '
        'classified: compare its predictions with a threshold'
      )
    return self.predict(pixels) > 0.5

  def _apply(self, pixels: Pixels) -> tuple[np.ndarray, np.ndarray]:
    if pixels.shape[1:] != self.image_shape or not len(pixels):
      raise ValueError(
        f'pixels of shape {pixels.shape}: this oracle takes at least one '
        f'image of shape {self.image_shape}'
      )
    apply = functools.partial(predictor.apply, self._network, self.variables)
    return chunks.apply(apply, (pixels,), size=_BATCH)


def validate(
  oracle: Oracle, dataset: cache.Dataset, *, visible: Flags | None = None
) -> Validation:
  """Measures the accuracy of an oracle on images with attributes.

  Args:
    oracle: predicts the attributes of the data set.
    dataset: images with attributes.
    visible: which binary attributes count; all if None.
  """
  truth = attributes_of(dataset)
  predicted = oracle.predict(np.asarray(dataset.images))
  if oracle.binary:
    measures = {
      'balanced_accuracy': accuracy.balanced_accuracy(
        predicted > 0.5, truth.astype(bool), visible=visible
      )
    }
  else:
    scores = truth.astype(np.float32)
    measures = {
      'correlation': accuracy.correlation(predicted, scores),
      'explained_variance': accuracy.explained_variance(predicted, scores),
    }
  return Validation(len(truth), measures)


def agreement(oracle: Oracle, pixels: Pixels, reference: Pixels) -> float:
  """Compares the predicted attributes of images with those of their originals.

  Args:
    oracle: predicts both.
    pixels: for example reconstructions.
    reference: their originals, in the same order.

  Returns:
    The mean balanced accuracy over binary attributes (1 is perfect, 0.5 is
    chance), or the mean correlation over scores (1 is perfect, 0 is chance).

  Raises:
    ValueError: the shapes differ.
  """
  if pixels.shape != reference.shape:
    raise ValueError(
      f'images of shape {pixels.shape} and originals of shape '
      f'{reference.shape}: expected the same shape'
    )
  if oracle.binary:
    flags = oracle.classify(pixels), oracle.classify(reference)
    return accuracy.mean(accuracy.balanced_accuracy(*flags))
  scores = oracle.predict(pixels), oracle.predict(reference)
  return accuracy.mean(accuracy.correlation(*scores))


def attributes_of(dataset: cache.Dataset) -> Attributes:
  """Returns the attributes of a data set; a ValueError if it has none."""
  if dataset.attributes is None or not dataset.attribute_names:
    raise ValueError(
      f'split {dataset.split!r} of {dataset.source} has no attributes: an '
      'oracle is trained on images with attributes'
    )
  return dataset.attributes
