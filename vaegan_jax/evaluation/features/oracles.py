"""Oracles: networks that predict the attributes of an image.

An oracle is trained once for a data set and kept on disk. It serves the
paper's attribute similarity and the test of visual attribute vectors; its
hidden layer serves as features for distances between sets of images.
"""

from __future__ import annotations

import functools
import hashlib
import json
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

import jax
import numpy as np
from flax import traverse_util
from flax.typing import VariableDict
from jaxtyping import Bool, Float32, Float64, Shaped, UInt8
from scipy import special

from vaegan_jax.data import cache, chunks
from vaegan_jax.evaluation.features import predictor
from vaegan_jax.evaluation.metrics import accuracy
from vaegan_jax.files import weights

# Increase it whenever the same call would train another network.
VERSION = 1
_BATCH = 256  # images per call of the network

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
    validation: its accuracy on held-out images; `load` fills it in.
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
    self._network, self._variables, self._scale = network, variables, scale

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
    apply = functools.partial(predictor.apply, self._network, self._variables)
    return chunks.apply(apply, (pixels,), size=_BATCH)


def load(
  train: cache.Dataset,
  held_out: cache.Dataset,
  *,
  recipe: predictor.Recipe = predictor.REFERENCE,
  directory: pathlib.Path | None = None,
  seed: int = 0,
  visible: Flags | None = None,
  progress: bool = True,
) -> Oracle:
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
  scale = predictor.scale_of(truth)
  about = _about(train, truth, recipe=recipe, seed=seed)
  digest = hashlib.sha256(json.dumps(about).encode()).hexdigest()
  folder = (directory or cache.default_directory()) / 'oracles'
  path = folder / f'{train.source}-{digest[:16]}.safetensors'
  if not path.exists():
    variables = predictor.fit(
      train, scale=scale, recipe=recipe, seed=seed, progress=progress
    )
    flat = traverse_util.flatten_dict(variables, sep='/')
    weights.write(path, flat, about=about)
  flat = weights.read(path, about=about)
  oracle = Oracle(
    predictor.build(scale, recipe),
    jax.device_put(traverse_util.unflatten_dict(flat, sep='/')),
    scale=scale,
    image_shape=train.images.shape[1:],
    attribute_names=train.attribute_names,
    digest=digest,
  )
  oracle.validation = validate(oracle, held_out, visible=visible)
  return oracle


def validate(
  oracle: Oracle, dataset: cache.Dataset, *, visible: Flags | None = None
) -> Validation:
  """Measures the accuracy of an oracle on images with attributes.

  Args:
    oracle: predicts the attributes of the data set.
    dataset: images with attributes.
    visible: which binary attributes count; all if None.
  """
  truth = _attributes(dataset)
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


def _attributes(dataset: cache.Dataset) -> Attributes:
  if dataset.attributes is None or not dataset.attribute_names:
    raise ValueError(
      f'split {dataset.split!r} of {dataset.source} has no attributes: an '
      'oracle is trained on images with attributes'
    )
  return dataset.attributes


def _check(train: cache.Dataset, held_out: cache.Dataset) -> Attributes:
  kinds = [
    (split.images.shape[1:], split.attribute_names, _attributes(split).dtype)
    for split in (train, held_out)
  ]
  if kinds[0] != kinds[1]:
    raise ValueError(
      f'training images and held-out images differ: {kinds[0]} and '
      f'{kinds[1]}; take splits of one source'
    )
  return _attributes(train)


def _about(
  train: cache.Dataset,
  truth: Attributes,
  *,
  recipe: predictor.Recipe,
  seed: int,
) -> dict[str, Any]:
  """Describes in JSON types all that determines the weights."""
  values = np.ascontiguousarray(truth)
  return {
    'version': VERSION,
    'images': train.digest,
    'attributes': hashlib.sha256(values.data).hexdigest(),
    'attribute_names': list(train.attribute_names),
    'seed': seed,
    **recipe._asdict(),
  }
