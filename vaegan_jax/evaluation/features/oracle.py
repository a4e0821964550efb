"""An oracle: a network that tells from an image which attributes it has.

It is trained once for a data set and kept on disk; it serves the paper's
attribute similarity, the test of visual attribute vectors, and, by its hidden
layer, as features of a distance between sets of images.
"""

from __future__ import annotations

import functools
import hashlib
import json
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import traverse_util
from jaxtyping import Bool, Float32, Float64, Shaped, UInt8
from scipy import special

from vaegan_jax.data import cache, chunks
from vaegan_jax.evaluation.features import predictor, weights
from vaegan_jax.evaluation.metrics import accuracy

# Raise it whenever the same call would train another network.
VERSION = 1
_BATCH = 256  # images a call of the network

Pixels = UInt8[np.ndarray, 'images _height _width colours']
Attributes = Shaped[np.ndarray, 'images attributes']


class Record(NamedTuple):
  """How good an oracle is on images that it was not trained on.

  Attributes:
    images: how many.
    measures: for each attribute, 'balanced_accuracy' (0.5 is a guess) if they
      are binary, else 'correlation' and 'explained_variance'. NaN where all
      images agree on an attribute.
  """

  images: int
  measures: Mapping[str, Float64[np.ndarray, ' attributes']]

  def means(self) -> dict[str, float]:
    """Averages each measure over the attributes that have it."""
    return {name: accuracy.mean(x) for name, x in self.measures.items()}


_UNMEASURED = Record(0, {})


class Oracle:
  """A trained predictor of attributes.

  Attributes:
    image_shape: height, width, colours of the images it knows.
    attribute_names: of the columns of what it predicts.
    binary: whether attributes hold or not, rather than having a score.
    digest: sha256 of all that decided its weights, in hexadecimal.
    held_out: how good it is, on no image until `load` has measured it.
  """

  def __init__(
    self,
    network: predictor.Predictor,
    variables: Mapping[str, Any],
    *,
    scale: predictor.Scale,
    image_shape: tuple[int, ...],
    attribute_names: tuple[str, ...],
    digest: str = '',
    held_out: Record = _UNMEASURED,
  ):
    self.image_shape = image_shape
    self.attribute_names = attribute_names
    self.binary = scale.binary
    self.digest = digest
    self.held_out = held_out
    self._network, self._variables, self._scale = network, variables, scale

  def features(self, pixels: Pixels) -> Float32[np.ndarray, 'images features']:
    """Computes the hidden layer, in units of its deviation in training.

    Raises:
      ValueError: the images are of another size, or there is none.
    """
    return self._apply(pixels)[0]

  def predict(self, pixels: Pixels) -> Float32[np.ndarray, 'images attributes']:
    """Predicts attributes: probabilities if binary, else scores in their units.

    A probability is that of a world where each attribute holds for half of the
    images, so 0.5 is the threshold of the best balanced accuracy.

    Raises:
      ValueError: the images are of another size, or there is none.
    """
    outputs = self._apply(pixels)[1]
    if self.binary:
      return special.expit(outputs)
    return outputs * self._scale.deviation + self._scale.mean

  def holds(self, pixels: Pixels) -> Bool[np.ndarray, 'images attributes']:
    """Decides which attributes hold: those more probable than not.

    Raises:
      ValueError: attributes have scores, so none holds or fails to.
    """
    if not self.binary:
      raise ValueError(
        'this oracle predicts scores: what holds is known of binary attributes '
        'only; compare predictions with a threshold of your own'
      )
    return self.predict(pixels) > 0.5

  def _apply(self, pixels: Pixels) -> tuple[np.ndarray, np.ndarray]:
    if pixels.shape[1:] != self.image_shape or not len(pixels):
      raise ValueError(
        f'pixels of shape {pixels.shape} given: this oracle takes at least one '
        f'image of shape {self.image_shape}'
      )
    features, outputs = chunks.apply(
      functools.partial(predictor.apply, self._network, self._variables),
      (pixels,),
      size=_BATCH,
    )
    return features, outputs


def load(
  train: cache.Dataset,
  held_out: cache.Dataset,
  *,
  directory: pathlib.Path | None = None,
  seed: int = 0,
  steps: int = 2000,
  batch_size: int = 128,
  width: float = 0.5,
  hidden: int = 256,
  learning_rate: float = 3e-3,
  weight_decay: float = 1e-4,
  flips: bool = True,
  jitters: bool = False,
  visible: Bool[np.ndarray, 'images attributes'] | None = None,
  progress: bool = True,
) -> Oracle:
  """Loads the oracle of a data set, training it first if there is none yet.

  Args:
    train: images to learn from, with attributes: bool or 0/1 integers, or
      scores as floats.
    held_out: images of the same kind on which its record is measured.
    directory: where oracles lie; `cache.default_directory()` if None.
    seed: of the initial weights, the order and the augmentation.
    steps: batches to train for.
    batch_size: images each.
    width: share of the channels of the paper's Enc.
    hidden: units of the dense layer, and so the number of features.
    learning_rate: of AdamW at its peak.
    weight_decay: of AdamW.
    flips: mirror every other image; no attribute known here minds.
    jitters: move and recolour images as well, for small data sets.
    visible: which attributes of `held_out` count in its record; all if None.
    progress: draw a bar on stderr while training.

  Raises:
    ValueError: the data sets do not fit each other or have no attributes, or
      what lies on disk is damaged.
  """
  truth = _check(train, held_out)
  scale = predictor.scale_of(truth)
  recipe = predictor.Recipe(
    steps=steps,
    batch_size=batch_size,
    width=width,
    hidden=hidden,
    learning_rate=learning_rate,
    weight_decay=weight_decay,
    flips=flips,
    jitters=jitters,
  )
  about = _about(train, truth, recipe=recipe, seed=seed)
  digest = hashlib.sha256(json.dumps(about).encode()).hexdigest()
  root = (directory or cache.default_directory()) / 'oracles'
  folder = root / f'{train.source}-{digest[:16]}'
  if not folder.exists():
    variables = predictor.fit(
      train, scale=scale, recipe=recipe, seed=seed, progress=progress
    )
    flat = traverse_util.flatten_dict(variables, sep='/')
    weights.write(folder, flat, about=about)
  flat = weights.read(folder, about=about)
  oracle = Oracle(
    predictor.Predictor(len(train.attribute_names), width, hidden),
    jax.device_put(traverse_util.unflatten_dict(flat, sep='/')),
    scale=scale,
    image_shape=train.images.shape[1:],
    attribute_names=train.attribute_names,
    digest=digest,
  )
  oracle.held_out = measure(oracle, held_out, visible=visible)
  return oracle


def measure(
  oracle: Oracle,
  dataset: cache.Dataset,
  *,
  visible: Bool[np.ndarray, 'images attributes'] | None = None,
) -> Record:
  """Measures an oracle on images with attributes.

  Args:
    oracle: whose attributes are those of the data set.
    dataset: with attributes.
    visible: which of its attributes count (binary ones only); all if None.
  """
  truth = _attributes(dataset)
  predicted = oracle.predict(np.asarray(dataset.images))
  if oracle.binary:
    flags = truth.astype(bool)
    balanced = accuracy.balanced(predicted > 0.5, flags, visible=visible)
    return Record(len(truth), {'balanced_accuracy': balanced})
  values = truth.astype(np.float32)
  return Record(
    len(truth),
    {
      'correlation': accuracy.correlation(predicted, values),
      'explained_variance': accuracy.explained(predicted, values),
    },
  )


def _attributes(dataset: cache.Dataset) -> Attributes:
  if dataset.attributes is None or not dataset.attribute_names:
    raise ValueError(
      f'split {dataset.split!r} of {dataset.source} has no attributes: an '
      'oracle learns them from images that have them'
    )
  return dataset.attributes


def _check(train: cache.Dataset, held_out: cache.Dataset) -> Attributes:
  truth, other = _attributes(train), _attributes(held_out)
  kinds = [
    (set.images.shape[1:], set.attribute_names, values.dtype)
    for set, values in ((train, truth), (held_out, other))
  ]
  if kinds[0] != kinds[1]:
    raise ValueError(
      f'the images to learn from and the held-out ones differ: {kinds[0]} and '
      f'{kinds[1]}; take splits of one source'
    )
  return truth


def _about(
  train: cache.Dataset,
  truth: Attributes,
  *,
  recipe: predictor.Recipe,
  seed: int,
) -> dict[str, Any]:
  """Describes in JSON types all that decides the weights."""
  values = np.ascontiguousarray(truth)
  return {
    'version': VERSION,
    'images': train.digest,
    'attributes': hashlib.sha256(values.data).hexdigest(),
    'attribute_names': list(train.attribute_names),
    'seed': seed,
    **recipe._asdict(),
  }
