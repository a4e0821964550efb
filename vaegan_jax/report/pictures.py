"""Pictures of a model: what it reconstructs, samples and interpolates.

Each is a PNG in DIR/figures. The strips drawn during training are also the
memory from which the development is drawn, so a resumed run has them all.
"""

from __future__ import annotations

import pathlib

import numpy as np
from jaxtyping import UInt8

from vaegan_jax import inference
from vaegan_jax.report import figures

# Images in a strip, and in a row of the final pictures.
COLUMNS = 12
_FOLDER = 'figures'

Pixels = UInt8[np.ndarray, 'images height width channels']


def strips(
  model: inference.Model, held_out: Pixels, *, workdir: pathlib.Path
) -> None:
  """Draws one row of reconstructions and one of samples, named by the step."""
  rows = {
    'reconstructions': model.reconstruct(held_out[:COLUMNS]),
    'samples': model.sample(COLUMNS),
  }
  for name, pixels in rows.items():
    figures.save(
      workdir / _FOLDER / f'{name}_{model.step:08d}.png',
      figures.grid(pixels, columns=COLUMNS),
    )


def final(
  model: inference.Model, held_out: Pixels, *, workdir: pathlib.Path
) -> None:
  """Draws what the report opens with."""
  drawn: dict[str, np.ndarray] = {
    'reconstructions': figures.reconstructions(
      held_out, model.reconstruct(held_out), columns=COLUMNS
    ),
    'samples': figures.grid(model.sample(5 * COLUMNS), columns=COLUMNS),
  }
  pairs = min(4, len(held_out) // 2)
  if pairs:
    drawn['interpolation'] = figures.grid(
      interpolation(model, held_out[: 2 * pairs]), columns=COLUMNS
    )
  for name, image in drawn.items():
    figures.save(workdir / _FOLDER / f'{name}.png', image)


def interpolation(
  model: inference.Model, ends: Pixels
) -> UInt8[np.ndarray, 'walk height width channels']:
  """Walks in straight lines between the mean codes of pairs of images.

  Args:
    model: with an encoder and a decoder.
    ends: an even number of images: where each walk begins and ends.

  Returns:
    COLUMNS images for each pair; the first and last are reconstructions.
  """
  pairs = model.encode(ends).reshape(-1, 2, model.latent_size)
  share = np.linspace(0, 1, COLUMNS, dtype=np.float32)[:, None]
  codes = pairs[:, :1] * (1 - share) + pairs[:, 1:] * share
  return model.decode(codes.reshape(-1, model.latent_size))
