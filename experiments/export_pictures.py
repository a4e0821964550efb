"""Pictures of a model for its card: samples, edits, failures, a walk."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Mapping

import numpy as np

from vaegan_jax import inference
from vaegan_jax.data import cache
from vaegan_jax.evaluation import attribute_vectors
from vaegan_jax.evaluation.features import random_network
from vaegan_jax.report import figures, paper_figures, walks

_COLUMNS = 12
_EDITED, _ATTRIBUTES = 6, 24
_MULTIPLE = 1.5  # of an attribute vector
# The worst twelve of so many: five per cent.
_JUDGED = 20 * _COLUMNS
_FRAMES, _SECONDS = 48, 6.0

# File -> what it shows.
Captions = Mapping[str, str]


def draw(
  folder: pathlib.Path, model: inference.Model, test: cache.Dataset
) -> Captions:
  """Draws what a model can do, and where it fails; nothing is chosen by eye.

  Args:
    folder: of the pictures.
    model: what draws, with its fitted prior and attribute vectors, if any.
    test: held-out images, with the attributes of a conditional model.
  """
  some = test.take(test.spread(_JUDGED))
  pictures = _samples(model, some)
  if model.encodes:
    pictures |= _reconstructions(model, some)
  if model.attribute_vectors:
    pictures |= _edits(model, some.images[:_EDITED])
  for name, (picture, _) in pictures.items():
    figures.save(folder / name, picture)
  captions = {name: caption for name, (_, caption) in pictures.items()}
  if not model.attribute_names:
    _walk(folder / 'walk.gif', model)
    captions['walk.gif'] = 'A walk through the codes of the prior.'
  return captions


_Pictures = dict[str, tuple[figures.Picture, str]]


def _samples(model: inference.Model, some: cache.Dataset) -> _Pictures:
  prior, count = model.fitted_prior, len(some.images)
  made = model.sample(count, some.attributes)
  rows = {'Real images': some.images, 'Prior N(0, I)': made}
  if prior is not None:
    made = model.sample(count, some.attributes, prior=prior)
    rows['Fitted prior'] = made
  rows = {name: pixels[: 2 * _COLUMNS] for name, pixels in rows.items()}
  extract = random_network.extractor(model.image_shape)
  theirs, ours = extract(some.images), extract(made)
  nearest = np.array([np.square(theirs - x).sum(1).min() for x in ours])
  worst = made[np.argsort(-nearest)[:_COLUMNS]]
  return {
    'samples.png': (
      paper_figures.labelled_rows(rows, columns=_COLUMNS),
      'Held-out images, and the first samples of seed 0.',
    ),
    'worst_samples.png': (
      figures.grid(worst, columns=_COLUMNS),
      f'The samples of {len(made)} that are farthest from any of '
      f'{len(some.images)} held-out images, in the features of a random '
      'network.',
    ),
  }


def _reconstructions(model: inference.Model, some: cache.Dataset) -> _Pictures:
  images = some.images
  made = model.reconstruct(images, some.attributes)
  error = np.square(made.astype(float) - images).mean((1, 2, 3))
  worst = np.argsort(-error)[:_COLUMNS]

  def pairs(rows: slice | np.ndarray) -> figures.Picture:
    return figures.reconstructions(images[rows], made[rows], columns=_COLUMNS)

  return {
    'reconstructions.png': (
      pairs(slice(3 * _COLUMNS)),
      'Held-out images, each above its reconstruction.',
    ),
    'worst_reconstructions.png': (
      pairs(worst),
      f'The reconstructions of {len(images)} with the largest error of pixels.',
    ),
  }


def _edits(model: inference.Model, images: inference.Pixels) -> _Pictures:
  known = model.attribute_vectors
  shown = [n for n in attribute_vectors.PAPER if n in known] or [*known]
  changed = {
    name: model.edit(images, {name: _MULTIPLE}) for name in shown[:_ATTRIBUTES]
  }
  return {
    'edits.png': (
      paper_figures.attribute_columns(
        images, model.reconstruct(images), changed=changed
      ),
      f'Held-out images with {_MULTIPLE} times an attribute vector added to '
      'their codes.',
    )
  }


def _walk(path: pathlib.Path, model: inference.Model) -> None:
  frames = model.walk(_FRAMES, walkers=_COLUMNS // 2, prior=model.fitted_prior)
  walks.save(path, frames, columns=_COLUMNS // 2, seconds=_SECONDS)


def markdown(captions: Captions, *, folder: str) -> Iterator[str]:
  """Yields the lines of a card that show pictures in a folder."""
  for name, caption in captions.items():
    yield f'![{caption}]({folder}/{name})'
    yield ''
    yield f'*{caption}*'
    yield ''
