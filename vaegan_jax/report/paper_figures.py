"""The paper's figures 3 to 6 in its own arrangement, from anyone's images.

Every function takes uint8 pixels of one size and gives one picture, which
`figures.save` writes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from jaxtyping import UInt8

from vaegan_jax.report import layout

Pixels = layout.Pixels
Picture = layout.Picture
# Several images for each query.
Samples = UInt8[np.ndarray, 'queries _samples _height _width channels']

# Between blocks: of rows, of columns.
_APART = 4 * layout.GAP


def labelled_rows(
  rows: Mapping[str, Pixels], *, columns: int, scale: int | None = None
) -> Picture:
  """Lays blocks of images out, one below the other, each with its label.

  Figure 3: samples of VAE, VAE_Dis_l, GAN and VAE/GAN, several rows of each.
  Figure 4: a row 'Input', then each model's reconstructions of it.

  Args:
    rows: label -> images, from top to bottom; a line break in a label breaks
      its line.
    columns: images a row. Blocks of a single row stand close, so that an
      image can be compared with those below it; others stand apart.
    scale: as in `layout.enlarge`.

  Raises:
    ValueError: no block, images of several sizes, or what `layout.enlarge`
      and `layout.lay` raise.
  """
  _check_sizes(rows.values())
  tiles = [layout.enlarge(pixels, scale) for pixels in rows.values()]
  blocks = [layout.lay(tile, columns=columns) for tile in tiles]
  size = layout.text_size(tiles[0].shape[1])
  labels = layout.labels(list(rows), like=blocks, size=size)
  single = all(len(tile) <= columns for tile in tiles)
  return layout.below(
    [layout.beside(pair, gap=0) for pair in zip(labels, blocks, strict=True)],
    gap=layout.GAP if single else _APART,
  )


def attribute_columns(
  inputs: Pixels,
  reconstructed: Pixels,
  *,
  changed: Mapping[str, Pixels],
  scale: int | None = None,
) -> Picture:
  """Lays images out as figure 5: a row each, a column for each attribute.

  Args:
    inputs: held-out images.
    reconstructed: of the inputs, in the same order.
    changed: attribute -> the inputs decoded with its vector added to their
      codes, in the same order; from left to right.
    scale: as in `layout.enlarge`.

  Raises:
    ValueError: no attribute, columns of several shapes, or what
      `layout.enlarge` raises.
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
    name: layout.lay(layout.enlarge(pixels, scale), columns=1)
    for name, pixels in columns.items()
  }
  return layout.headed(
    blocks,
    # What is made of a code with an attribute stands apart.
    gap=[layout.GAP, _APART, *[layout.GAP] * (len(changed) - 1)],
    # Twenty columns are wider than a page, which shows them smaller.
    size=layout.text_size(_width(blocks)) + 6,
    slanted=True,
  )


def query_rows(
  queries: Pixels, samples: Mapping[str, Samples], *, scale: int | None = None
) -> Picture:
  """Lays images out as figure 6: a row for each query, a block for each model.

  Args:
    queries: images whose attributes the samples were conditioned on.
    samples: model -> its samples for each query; from left to right.
    scale: as in `layout.enlarge`.

  Raises:
    ValueError: no model, a model without samples for each query, images of
      several sizes, or what `layout.enlarge` raises.
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
    name: layout.lay(
      layout.enlarge(made.reshape(-1, *made.shape[2:]), scale),
      columns=made.shape[1],
    )
    for name, made in columns.items()
  }
  size = layout.text_size(_width(blocks)) + 2
  return layout.headed(blocks, gap=_APART, size=size)


def _width(blocks: Mapping[str, Picture]) -> int:
  """Gives the width of a tile, which is all of the first block."""
  return next(iter(blocks.values())).shape[1]


def _check_sizes(blocks: Iterable[Pixels]) -> None:
  shapes = {pixels.shape[1:] for pixels in blocks}
  if len(shapes) != 1:
    raise ValueError(
      f'blocks of images of shapes {sorted(shapes)}: expected at least one '
      'block, and images of one size in all of them'
    )
