"""Figures 3 to 6 in the paper's arrangement, from images of any source.

Images of several sizes, and those that `layout` refuses, raise ValueError.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from jaxtyping import UInt8

from vaegan_jax.report import figures, layout

Pixels = layout.Pixels
Picture = layout.Picture
# Several images for each query.
Samples = UInt8[np.ndarray, 'queries _samples _height _width channels']

_WIDE_GAP = 4 * layout.GAP  # between blocks


def labelled_rows(rows: Mapping[str, Pixels], *, columns: int) -> Picture:
  """Arranges blocks of images one below the other, each with its label.

  Figure 3: samples of VAE, VAE_Dis_l, GAN and VAE/GAN, several rows of each.
  Figure 4: a row 'Input', then each model's reconstructions of it.

  Args:
    rows: label -> images, from top to bottom.
    columns: images per row. Blocks of a single row stand close together for
      comparison; others stand apart.

  Raises:
    ValueError: no block.
  """
  _check_sizes(rows.values())
  blocks = [
    (label, figures.grid(images, columns=columns))
    for label, images in rows.items()
  ]
  single = all(len(images) <= columns for images in rows.values())
  side = layout.enlarge(next(iter(rows.values()))).shape[1]
  return layout.vstack(
    layout.with_labels(blocks, size=layout.label_size(side)),
    gap=layout.GAP if single else _WIDE_GAP,
  )


def attribute_columns(
  inputs: Pixels,
  reconstructed: Pixels,
  *,
  changed: Mapping[str, Pixels],
) -> Picture:
  """Arranges images as figure 5: a row each, a column per attribute.

  Args:
    inputs: held-out images.
    reconstructed: of the inputs, in the same order.
    changed: attribute -> the inputs decoded with its vector added to their
      codes, in the same order.

  Raises:
    ValueError: no attribute, or columns of several shapes.
  """
  columns = {'Input': inputs, 'Reconstruction': reconstructed}
  columns |= {name.replace('_', ' '): p for name, p in changed.items()}
  shapes = {pixels.shape for pixels in columns.values()}
  if len(shapes) != 1 or not changed:
    raise ValueError(
      f'{len(changed)} attributes, and columns of shapes {sorted(shapes)}: '
      'expected at least one attribute, and in each column an image of one '
      'size for each input'
    )
  blocks = {
    name: figures.grid(pixels, columns=1) for name, pixels in columns.items()
  }
  return layout.with_headings(
    blocks,
    # A wide gap before the changed images.
    gap=[layout.GAP, _WIDE_GAP, *[layout.GAP] * (len(changed) - 1)],
    # Larger letters: a page shrinks twenty columns.
    size=layout.label_size(blocks['Input'].shape[1]) + 6,
    slanted=True,
  )


def query_rows(queries: Pixels, samples: Mapping[str, Samples]) -> Picture:
  """Arranges images as figure 6: a row per query, a block per model.

  Args:
    queries: images whose attributes the samples were conditioned on.
    samples: model -> its samples for each query.

  Raises:
    ValueError: no model, or a model without samples for each query.
  """
  counts = {name: made.shape[:2] for name, made in samples.items()}
  if not samples or any(n != len(queries) or not k for n, k in counts.values()):
    raise ValueError(
      f'{len(queries)} queries, and (queries, samples) of {counts}: expected '
      'at least one model, and of each at least one sample for each query'
    )
  columns = {'Query': queries[:, None], **samples}
  _check_sizes(made[0] for made in columns.values())
  blocks = {
    name: figures.grid(np.concatenate(made), columns=len(made[0]))
    for name, made in columns.items()
  }
  size = layout.label_size(blocks['Query'].shape[1]) + 2
  return layout.with_headings(blocks, gap=_WIDE_GAP, size=size)


def _check_sizes(blocks: Iterable[Pixels]) -> None:
  shapes = {pixels.shape[1:] for pixels in blocks}
  if len(shapes) != 1:
    raise ValueError(
      f'blocks of images of shapes {sorted(shapes)}: expected at least one '
      'block, and images of one size in all of them'
    )
