"""The figures of a reproduction: the paper's figures 3 to 6, and two walks."""

from __future__ import annotations

import pathlib

import numpy as np

from experiments import paper, reproduction_tables
from vaegan_jax import inference
from vaegan_jax.data import cache
from vaegan_jax.evaluation import attribute_vectors, studies, suite
from vaegan_jax.report import comparison_page, figures, paper_figures, walks

_COLUMNS = 12
_FRAMES = 72


def draw(
  workdir: pathlib.Path,
  *,
  study: studies.Study,
  models: dict[str, inference.Model],
) -> list[comparison_page.Figure]:
  """Draws figures 3 to 6, as far as the models and the data allow."""
  images = _spread(study, _COLUMNS).images
  plain = {
    reproduction_tables.TITLES[name]: models[name]
    for name in reproduction_tables.MODELS
    if name in models
  }
  encoding = {title: m for title, m in plain.items() if m.encodes}
  shown = []
  if plain:
    shown.append(_samples(workdir, plain))
  if encoding:
    shown.append(_reconstructions(workdir, encoding, images=images))
  if 'vaegan' in models:
    vectors = _vectors(study, models['vaegan'])
    if vectors:
      shown.append(_edits(workdir, study, models['vaegan'], vectors=vectors))
  if any(name.startswith(paper.CONDITIONAL) for name in models):
    shown.append(_conditional(workdir, study=study, models=models))
  return shown


def walk(
  workdir: pathlib.Path,
  *,
  study: studies.Study,
  models: dict[str, inference.Model],
) -> list[comparison_page.Figure]:
  """Draws a random walk and a tour of held-out images by the VAE/GAN as GIFs.

  Returns:
    nothing if the VAE/GAN was not trained.
  """
  model = models.get('vaegan')
  if model is None:
    return []
  moving = {
    'random_walk': model.walk(_FRAMES, walkers=6),
    'tour': walks.tour(
      model, _spread(study, 18).images, walkers=6, frames=_FRAMES // 3
    ),
  }
  for name, frames in moving.items():
    walks.save(workdir / f'{name}.gif', frames, columns=6, seconds=6)
  return [
    comparison_page.Figure(
      workdir / 'random_walk.gif',
      'A random walk',
      'VAE/GAN: smooth closed walks; each point is a draw from N(0, I).',
      'Six faces that change gradually into others and back.',
    ),
    comparison_page.Figure(
      workdir / 'tour.gif',
      'From one held-out image to the next',
      'VAE/GAN: between the mean codes of three images each, and back.',
      'Six faces, each changing into two others and back.',
    ),
  ]


def _samples(
  workdir: pathlib.Path, models: dict[str, inference.Model]
) -> comparison_page.Figure:
  """Draws samples of each model, by its title."""
  made = {title: m.sample(3 * _COLUMNS) for title, m in models.items()}
  return _save(
    workdir / 'figure3.png',
    paper_figures.labelled_rows(made, columns=_COLUMNS),
    title='Figure 3: samples',
    caption='Dec of codes drawn from N(0, I); the same codes for each model.',
    alt=f'Three rows of samples of each of {", ".join(made)}.',
  )


def _reconstructions(
  workdir: pathlib.Path,
  models: dict[str, inference.Model],
  *,
  images: np.ndarray,
) -> comparison_page.Figure:
  """Draws images above their reconstructions by each model, by its title."""
  made = {title: m.reconstruct(images) for title, m in models.items()}
  return _save(
    workdir / 'figure4.png',
    paper_figures.labelled_rows({'Input': images, **made}, columns=_COLUMNS),
    title='Figure 4: reconstructions',
    caption='Held-out images, and below them Dec of their mean codes. A GAN '
    'has no encoder.',
    alt='A row of held-out images above a row of reconstructions by each of '
    f'{", ".join(made)}.',
  )


def _spread(study: studies.Study, count: int) -> cache.Dataset:
  """Takes test images of all people or classes, which may lie side by side."""
  return study.test.take(study.test.spread(count))


def _vectors(
  study: studies.Study, model: inference.Model
) -> dict[str, np.ndarray]:
  """Returns attribute vectors, for data with binary attributes."""
  if study.oracle is None or not study.oracle.binary:
    return {}
  return suite.vectors(model, study).by_name


def _edits(
  workdir: pathlib.Path,
  study: studies.Study,
  model: inference.Model,
  *,
  vectors: dict[str, np.ndarray],
) -> comparison_page.Figure:
  """Draws images changed by attribute vectors."""
  images = _spread(study, 6).images
  codes = model.encode(images)
  picture = paper_figures.attribute_columns(
    images,
    model.decode(codes),
    changed={
      name: attribute_vectors.edit(model, codes, vector=vector)
      for name, vector in vectors.items()
    },
  )
  return _save(
    workdir / 'figure5.png',
    picture,
    title='Figure 5: visual attribute vectors',
    caption='VAE/GAN: the mean code of training images with an attribute minus '
    'that of images without it, added once to the code of a held-out image.',
    alt='Rows of a face, its reconstruction, and the face with each of the '
    f'attributes {", ".join(vectors)}.'.replace('_', ' '),
  )


def _conditional(
  workdir: pathlib.Path,
  *,
  study: studies.Study,
  models: dict[str, inference.Model],
) -> comparison_page.Figure:
  """Draws samples of each conditional model for the attributes of images."""
  queries, samples = _spread(study, 6), 4
  attributes = np.repeat(np.asarray(queries.attributes), samples, axis=0)
  made = {}
  for name in reproduction_tables.MODELS:
    model = models.get(f'{paper.CONDITIONAL}{name}')
    if model is None:
      continue
    pixels = model.sample(len(attributes), attributes)
    title = reproduction_tables.TITLES[name]
    made[title] = pixels.reshape(-1, samples, *pixels.shape[1:])
  return _save(
    workdir / 'figure6.png',
    paper_figures.query_rows(queries.images, made),
    title="Figure 6: images of a query's attributes",
    caption='Left: the held-out image with the requested attributes. The '
    'models see the attributes only.',
    alt='Rows of a held-out face and four samples with its attributes by each '
    f'of {", ".join(made)}.',
  )


def _save(
  path: pathlib.Path, picture: np.ndarray, *, title: str, caption: str, alt: str
) -> comparison_page.Figure:
  figures.save(path, picture)
  return comparison_page.Figure(path, title, caption, alt)
