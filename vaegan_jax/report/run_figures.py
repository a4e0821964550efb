"""Figures that a run draws of its model: samples, reconstructions, lines.

Each is a PNG in DIR/figures. The strips drawn during training are kept, so the
development of a resumed run goes back to its first steps.
"""

from __future__ import annotations

import functools
import json
import pathlib
from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Shaped, UInt8

from vaegan_jax import inference
from vaegan_jax.core import curves, gaussian
from vaegan_jax.data import cache
from vaegan_jax.files import atomic
from vaegan_jax.report import figures

COLUMNS = 12  # images per row
FOLDER = 'figures'
# The attributes that samples of a conditional model were asked for.
ASKED = 'asked.json'
_LARGEST = 5  # scores

Pixels = UInt8[np.ndarray, 'images height width channels']


def examples(test: cache.Dataset) -> cache.Dataset:
  """Chooses the held-out images that the figures of a run show."""
  return test.sample(3 * COLUMNS)


def draw_strips(
  model: inference.Model, held_out: cache.Dataset, *, workdir: pathlib.Path
) -> None:
  """Draws one row of samples and one of reconstructions, named by the step.

  Args:
    model: a GAN has no reconstructions.
    held_out: images, with the attributes of a conditional model.
    workdir: the run's folder.
  """
  shown = held_out.first(COLUMNS)
  rows = {'samples': _samples(model, shown, count=len(shown.images))}
  if model.encodes:
    rows['reconstructions'] = model.reconstruct(shown.images, shown.attributes)
  for name, pixels in rows.items():
    path = workdir / FOLDER / f'{name}_{model.step:08d}.png'
    figures.save(path, figures.grid(pixels, columns=COLUMNS))


def draw_final(
  model: inference.Model, held_out: cache.Dataset, *, workdir: pathlib.Path
) -> None:
  """Draws the report's figures of a model.

  Args:
    model: as in `draw_strips`, like the held-out images and the folder.
    held_out: the images that are shown.
    workdir: the run's folder.
  """
  images, attributes = held_out.images, held_out.attributes
  samples = _samples(model, held_out, count=5 * COLUMNS)
  clear = functools.partial(figures.clear, columns=COLUMNS)
  drawn = {'samples': clear(figures.grid, samples)}
  if (prior := model.fitted_prior) is not None:
    samples = _samples(model, held_out, count=5 * COLUMNS, prior=prior)
    drawn['fitted_samples'] = clear(figures.grid, samples)
  if model.encodes:
    made = model.reconstruct(images, attributes)
    drawn['reconstructions'] = clear(figures.reconstructions, images, made)
  if model.encodes and len(images) > 1:
    lines = interpolate(model, held_out.first(min(8, len(images) // 2 * 2)))
    drawn['interpolation'] = clear(figures.grid, lines)
  for name, picture in drawn.items():
    figures.save(workdir / FOLDER / f'{name}.png', picture)
  if attributes is not None:
    asked = describe(attributes, held_out.attribute_names)
    atomic.write_text(workdir / FOLDER / ASKED, json.dumps(asked) + '\n')


def describe(
  attributes: Shaped[np.ndarray, 'images attributes'], names: Sequence[str]
) -> list[str]:
  """Describes the attributes of each image.

  Returns:
    the binary attributes that it has, as in 'Male, Smiling', or its largest
    scores, as in 'Male 2.10, Smiling -1.35'.
  """
  if np.isin(attributes, (0, 1)).all():
    return [', '.join(np.array(names)[row > 0]) or 'none' for row in attributes]
  largest = np.argsort(-np.abs(attributes), axis=1, kind='stable')
  return [
    ', '.join(f'{names[i]} {row[i]:.2f}' for i in order[:_LARGEST])
    for row, order in zip(attributes, largest, strict=True)
  ]


def interpolate(
  model: inference.Model, ends: cache.Dataset
) -> UInt8[np.ndarray, 'walk height width channels']:
  """Decodes codes between the mean codes of pairs of images.

  Args:
    model: with an encoder and a decoder.
    ends: an even number of images. Attributes are interpolated linearly.

  Returns:
    COLUMNS images for each pair; the first and last are reconstructions.
  """
  codes = model.encode(ends.images, ends.attributes)
  share = np.linspace(0, 1, COLUMNS, dtype=np.float32)
  points = [curves.interpolate(codes[::2], codes[1::2], share=share)]
  if ends.attributes is not None:
    rows = ends.attributes.astype(np.float32)
    points.append(rows[::2] + share[:, None, None] * (rows[1::2] - rows[::2]))
  # [points, pairs, ...] -> the points of each pair one after another
  return model.decode(
    *(x.swapaxes(0, 1).reshape(-1, x.shape[2]) for x in points)
  )


def load_strips(
  folder: pathlib.Path, *, prefix: str, count: int = 8
) -> list[tuple[int, figures.Picture]]:
  """Loads about `count` strips that training drew, with their steps.

  Args:
    folder: where the strips lie.
    prefix: 'samples' for samples_00000500.png.
    count: as in `choose_steps`.
  """
  paths = {
    int(step): path
    for path in folder.glob(f'{prefix}_*.png')
    if (step := path.stem.removeprefix(f'{prefix}_')).isdecimal()
  }
  steps = choose_steps(paths, count=count)
  return [(step, figures.load(paths[step])) for step in steps]


def choose_steps(steps: Iterable[int], *, count: int) -> list[int]:
  """Chooses about `count` steps in geometric progression.

  Images change most in early training. The first and the last step are always
  chosen, and step 0 in addition to the `count`.

  Raises:
    ValueError: `count` is below 2.
  """
  if count < 2:
    raise ValueError(f'count = {count}: expected 2 or more, first and last')
  ordered = np.unique(np.fromiter(steps, np.int64))
  positive = ordered[ordered > 0]
  if len(positive) <= count:
    return ordered.tolist()
  wanted = np.geomspace(positive[0], positive[-1], count)
  distances = np.abs(np.log(wanted[:, None] / positive))
  chosen = positive[np.unique(distances.argmin(axis=1))]
  return [*ordered[ordered == 0].tolist(), *chosen.tolist()]


def _samples(
  model: inference.Model,
  held_out: cache.Dataset,
  *,
  count: int,
  prior: gaussian.Gaussian | None = None,
) -> Pixels:
  """Samples images; a conditional model takes held-out attributes in turn."""
  if held_out.attributes is None:
    return model.sample(count, prior=prior)
  rows = np.resize(np.arange(len(held_out.attributes)), count)
  return model.sample(count, held_out.attributes[rows], prior=prior)
