"""Studies: what the models of a data set are measured with."""

from __future__ import annotations

import dataclasses
import functools
import logging
import pathlib
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool

from vaegan_jax.data import cache, sources
from vaegan_jax.data.sources import faces
from vaegan_jax.evaluation import editing, features
from vaegan_jax.evaluation.features import (
  oracle_files,
  oracles,
  predictor,
  random_network,
)

_LOGGER = logging.getLogger(__name__)

# Cartoon faces that the oracle is trained on.
_INDEPENDENT = 40_000
# The seed of these faces, and another one if the models' faces have this one.
_SEEDS = 1, 2
# Distances of fewer test images mean nothing, and the figures need as many.
_MINIMUM = 20


@dataclasses.dataclass(frozen=True)
class Study:
  """What the models of a data set are measured with.

  Attributes:
    train: the images that models were trained on.
    test: held-out images, in memory.
    oracle: predicts attributes; None where the data have none.
    extract: computes features, for distances between sets of images.
    visible: which attributes the test images show, where that is known.
    counterfactual: draws test images again with an attribute flipped, where
      that is possible.
    oracle_images: the number of other images that the oracle was trained on;
      None: it was trained on `train`.
    inception: computes Inception's features, for the FID; None: no FID.
    spare: as many other held-out images; None if there are too few.
    copies: the number of test images that are training images as well.
  """

  train: cache.Dataset
  test: cache.Dataset
  oracle: oracles.Oracle | None
  extract: features.Extract
  visible: Bool[np.ndarray, 'images attributes'] | None = None
  counterfactual: editing.Counterfactual | None = None
  oracle_images: int | None = None
  inception: features.Extract | None = None
  spare: cache.Dataset | None = None
  copies: int = 0

  @functools.cached_property
  def test_set(self) -> features.ImageSet:
    """The test images and their features."""
    return features.describe(self.test.images, self.extract)

  @functools.cached_property
  def inception_set(self) -> features.ImageSet:
    """The test images and Inception's features of them."""
    if self.inception is None:
      raise ValueError('this study has no Inception: prepare it with one')
    return features.describe(self.test.images, self.inception)

  def real(self) -> Real:
    """Returns real images to measure in place of samples.

    They are training images, unless the oracle was trained on these and there
    are spare ones: an oracle's features set apart the images that it learned
    from.
    """
    images = self.train.take(self.train.spread(len(self.test.images))).images
    if self.oracle is None or self.oracle_images is not None:
      return Real(images, 'training images')
    if self.spare is not None:
      return Real(self.spare.images, 'other held-out images')
    return Real(images, 'training images, from which the oracle learned')


class Real(NamedTuple):
  """Real images, and what they are: 'training images'."""

  images: features.Pixels
  kind: str


def prepare(
  source: sources.Source,
  *,
  directory: pathlib.Path | None = None,
  images: int = 2_000,
  oracle_steps: int = 2_000,
  inception: features.Extract | None = None,
) -> Study:
  """Prepares the study of a data set; trains its oracle if there is none.

  Args:
    source: the source of the images.
    directory: the cache folder; the user's if None.
    images: the maximum number of test images.
    oracle_steps: the training steps of the oracle.
    inception: Inception's features, from `inception.load`, for the FID.

  Raises:
    ValueError: there are too few test images, or `cache.load` or
      `oracle_files.load` raises it.
  """
  train, test = (
    cache.load(source, split=split, directory=directory)
    for split in ('train', 'test')
  )
  places = test.spread(images)
  spare = _spare(test, places)
  test = test.take(places)
  if len(test.images) < _MINIMUM:
    raise ValueError(
      f'{len(test.images)} test images of {source.name}: expected at least '
      f'{_MINIMUM}; ask for more, or take a larger data set'
    )
  common: dict[str, Any] = {
    'inception': inception,
    'spare': spare,
    'copies': cache.warn_of_copies(train, test),
  }
  if test.attributes is None:
    extract = random_network.extractor(test.images.shape[1:])
    return Study(train, test, None, extract, **common)
  _warn_of_mixed(train)
  recipe = predictor.Recipe(steps=oracle_steps)
  if isinstance(source, faces.Faces):
    return _of_faces(
      source, train, test, places, recipe=recipe, directory=directory, **common
    )
  oracle = oracle_files.load(train, test, recipe=recipe, directory=directory)
  return Study(train, test, oracle, oracle.features, **common)


def _warn_of_mixed(train: cache.Dataset) -> None:
  """Tells that binary attributes beside scores are measured as scores."""
  rows = np.asarray(train.attributes)
  binary = np.isin(rows, (0, 1)).all(axis=0)
  if rows.dtype.kind == 'f' and binary.any():
    _LOGGER.warning(
      '%d of %d attributes of %s are binary, the others scores: all are '
      'measured as scores, and no attribute vector is measured. A table '
      'without the scores has these measures.',
      binary.sum(),
      rows.shape[1],
      train.source,
    )


def _spare(whole: cache.Dataset, used: np.ndarray) -> cache.Dataset | None:
  """Takes as many images as are used from the others; None if too few."""
  rest = np.setdiff1d(np.arange(len(whole.images)), used)
  if len(rest) < len(used):
    return None
  return whole.take(rest[cache.spread(len(rest), len(used))])


def _of_faces(
  source: faces.Faces,
  train: cache.Dataset,
  test: cache.Dataset,
  places: np.ndarray,
  *,
  recipe: predictor.Recipe,
  directory: pathlib.Path | None,
  **common: Any,
) -> Study:
  """Prepares the study of drawn faces, whose looks are known."""
  # Independent attributes teach the oracle the look of each attribute, not
  # which attributes occur together.
  independent = dataclasses.replace(
    source,
    correlated=False,
    seed=_SEEDS[source.seed == _SEEDS[0]],
    train=_INDEPENDENT,
  )
  visible = source.visible('test', 0, source.length('test'))[places]
  oracle = oracle_files.shipped(
    independent, test, recipe=recipe, visible=visible
  )
  if oracle is None:
    oracle = oracle_files.load(
      cache.load(independent, split='train', directory=directory),
      test,
      recipe=recipe,
      directory=directory,
      visible=visible,
    )
  return Study(
    train,
    test,
    oracle,
    oracle.features,
    visible=visible,
    counterfactual=functools.partial(_redraw, source, places),
    oracle_images=independent.train,
    **common,
  )


def _redraw(
  source: faces.Faces, places: np.ndarray, chosen: np.ndarray, name: str
) -> features.Pixels:
  """Draws some of the images at `places` with an attribute flipped."""
  return source.draw('test', places[chosen], flip=name).pixels
