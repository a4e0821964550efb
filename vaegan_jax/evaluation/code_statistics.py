"""What is known of the codes of training images: a prior, and vectors."""

from __future__ import annotations

import pathlib

from vaegan_jax import inference
from vaegan_jax.config import build
from vaegan_jax.core import gaussian
from vaegan_jax.data import cache
from vaegan_jax.evaluation import attribute_vectors
from vaegan_jax.runs import exports

# Training images that both are computed from.
_ENCODED = 20_000


def load(path: pathlib.Path, *, fits: bool) -> inference.Model:
  """Loads a model, with the prior and the vectors of its training images.

  An exported model has them; those of a run are computed.

  Args:
    path: as of `inference.load`.
    fits: whether to compute them.

  Raises:
    FileNotFoundError, ValueError: as `inference.load` and `cache.load`.
  """
  export = exports.read(path)
  return inference.from_export(
    complete(export) if fits and not exports.exists(path) else export
  )


def complete(export: exports.Export) -> exports.Export:
  """Adds the prior and the vectors of its training images to a run's export."""
  model = inference.from_export(export)
  if model.encodes:
    train = load_split(export, split='train')
    attach(model, train.take(train.spread(_ENCODED)))
  return export._replace(
    prior=model.fitted_prior, attribute_vectors=model.attribute_vectors
  )


def load_split(export: exports.Export, *, split: str) -> cache.Dataset:
  """Loads a split of the data that a model was trained on."""
  source = build.source(export.config)
  directory = build.cache_directory(export.config)
  return cache.load(source, split=split, directory=directory)


def load_held_out(export: exports.Export) -> cache.Dataset:
  """Loads the test images, with the attributes of a conditional model."""
  test = load_split(export, split='test')
  return test.with_attributes(build.conditional(export.config))


def attach(model: inference.Model, some: cache.Dataset) -> None:
  """Gives a model with an encoder a fitted prior and attribute vectors.

  Args:
    model: unconditional models get vectors, if the images have attributes.
    some: training images.
  """
  condition = some.with_attributes(model.attribute_names).attributes
  mean, log_var = model.posterior(some.images, condition)
  model.fitted_prior = gaussian.fit(mean, log_var)
  if some.attributes is not None and not model.attribute_names:
    model.attribute_vectors = attribute_vectors.compute(
      mean,
      some.attributes > 0,
      attribute_names=some.attribute_names,
      names=some.attribute_names,
    ).by_name
