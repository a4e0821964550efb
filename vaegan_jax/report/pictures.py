"""Pictures of a model: what it reconstructs, samples and interpolates.

Each is a PNG in DIR/figures. The strips drawn during training are also the
memory from which the development is drawn, so a resumed run has them all.
"""

from __future__ import annotations

import pathlib

import numpy as np
from jaxtyping import Float32, UInt8

from vaegan_jax import inference
from vaegan_jax.data import cache
from vaegan_jax.report import figures

# Images in a strip, and in a row of the final pictures.
COLUMNS = 12
_FOLDER = 'figures'

Pixels = UInt8[np.ndarray, 'images height width channels']


def strips(
  model: inference.Model, held_out: cache.Dataset, *, workdir: pathlib.Path
) -> None:
  """Draws one row of reconstructions and one of samples, named by the step.

  Args:
    model: a GAN gets no reconstructions.
    held_out: images, with the attributes of a conditional model.
    workdir: the run's folder.
  """
  shown = held_out.first(COLUMNS)
  rows = {'samples': _samples(model, shown, count=len(shown.images))}
  if model.encodes:
    rows['reconstructions'] = model.reconstruct(shown.images, shown.attributes)
  for name, pixels in rows.items():
    figures.save(
      workdir / _FOLDER / f'{name}_{model.step:08d}.png',
      figures.grid(pixels, columns=COLUMNS),
    )


def final(
  model: inference.Model, held_out: cache.Dataset, *, workdir: pathlib.Path
) -> None:
  """Draws what the report opens with; the arguments are those of `strips`."""
  samples = _samples(model, held_out, count=5 * COLUMNS)
  drawn = {'samples': figures.grid(samples, columns=COLUMNS)}
  if model.encodes:
    drawn |= _from_images(model, held_out)
  for name, image in drawn.items():
    figures.save(workdir / _FOLDER / f'{name}.png', image)


def interpolation(
  model: inference.Model, ends: cache.Dataset
) -> UInt8[np.ndarray, 'walk height width channels']:
  """Walks in straight lines between the mean codes of pairs of images.

  Args:
    model: with an encoder and a decoder.
    ends: an even number of images: where each walk begins and ends. The
      attributes of a conditional model walk along.

  Returns:
    COLUMNS images for each pair; the first and last are reconstructions.
  """
  codes = model.encode(ends.images, ends.attributes)
  walked = (codes, *([] if ends.attributes is None else [ends.attributes]))
  return model.decode(*(_walk(np.asarray(x, np.float32)) for x in walked))


def _walk(ends: Float32[np.ndarray, 'ends n']) -> np.ndarray:
  pairs = ends.reshape(-1, 2, ends.shape[1])
  share = np.linspace(0, 1, COLUMNS, dtype=np.float32)[:, None]
  between = pairs[:, :1] * (1 - share) + pairs[:, 1:] * share
  return between.reshape(-1, ends.shape[1])


def _samples(
  model: inference.Model, held_out: cache.Dataset, *, count: int
) -> Pixels:
  """Samples as many images; a conditional model those of held-out rows."""
  if held_out.attributes is None:
    return model.sample(count)
  rows = np.resize(np.arange(len(held_out.attributes)), count)
  return model.sample(count, held_out.attributes[rows])


def _from_images(
  model: inference.Model, held_out: cache.Dataset
) -> dict[str, np.ndarray]:
  images = held_out.images
  drawn = {
    'reconstructions': figures.reconstructions(
      images,
      model.reconstruct(images, held_out.attributes),
      columns=COLUMNS,
    )
  }
  pairs = min(4, len(images) // 2)
  if pairs:
    drawn['interpolation'] = figures.grid(
      interpolation(model, held_out.first(2 * pairs)), columns=COLUMNS
    )
  return drawn
