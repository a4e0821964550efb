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

  An exported model has them, and a run after its last step; for other
  checkpoints they are computed.

  Args:
    path: as of `loading.load`.
    fits: whether to compute them.

  Raises:
    FileNotFoundError, ValueError: as `loading.load` and `cache.load`.
  """
  return inference.Model(read(path) if fits else exports.read(path))


def read(path: pathlib.Path) -> exports.Export:
  """Reads an export and computes its prior and its vectors if it has none."""
  export = exports.read(path)
  if exports.exists(path) or export.prior is not None:
    return export
  return complete(export, load_split(export, split='train'))


def complete(export: exports.Export, train: cache.Dataset) -> exports.Export:
  """Adds a fitted prior and attribute vectors to a model with an encoder.

  Args:
    export: unconditional models get vectors, if the images have attributes.
    train: the training images, with all their attributes.
  """
  model = inference.Model(export)
  if not model.encodes:
    return export
  some = train.take(train.spread(_ENCODED))
  mean, log_var = model.posterior(
    some.images, some.with_attributes(model.attribute_names).attributes
  )
  export = export._replace(prior=gaussian.fit(mean, log_var))
  if some.attributes is None or model.attribute_names:
    return export
  vectors = attribute_vectors.compute(
    mean,
    some.attributes > 0,
    attribute_names=some.attribute_names,
    names=some.attribute_names,
  )
  return export._replace(attribute_vectors=vectors.by_name)


def load_held_out(export: exports.Export) -> cache.Dataset:
  """Loads the test images, with the attributes of a conditional model."""
  test = load_split(export, split='test')
  return test.with_attributes(build.conditional(export.config))


def load_split(export: exports.Export, *, split: str) -> cache.Dataset:
  """Loads a split of the data that a model was trained on."""
  source = build.source(export.config)
  directory = build.cache_directory(export.config)
  return cache.load(source, split=split, directory=directory)
