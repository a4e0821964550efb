"""Walks in latent space as looping GIFs."""

from __future__ import annotations

import pathlib

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from vaegan_jax import inference
from vaegan_jax.core import curves
from vaegan_jax.report import figures, layout

Frames = UInt8[np.ndarray, 'frames walkers _height _width channels']

_COLOURS = 256  # of a GIF
_SAMPLED = 2**18  # pixels from which the colours are chosen


def tour(
  model: inference.Model,
  held_out: UInt8[np.ndarray, 'images height width channels'],
  *,
  walkers: int,
  frames: int,
) -> Frames:
  """Decodes closed walks from the code of one image to that of the next.

  Args:
    model: with an encoder and a decoder, not conditional.
    held_out: the images of the first walker, then of the next, as many each.
    walkers: the number of walks.
    frames: from one image to the next.

  Raises:
    ValueError: the walkers cannot have two or more images each, equally many.
  """
  if len(held_out) % walkers or len(held_out) < 2 * walkers:
    raise ValueError(
      f'{len(held_out)} images for {walkers} walkers: expected two or more '
      'images for each, and equally many'
    )
  codes = model.encode(held_out)
  stops = codes.reshape(walkers, -1, model.latent_size).swapaxes(0, 1)
  return model.decode_curves(curves.visit(stops, frames=frames))


def save(
  path: pathlib.Path, walks: Frames, *, columns: int, seconds: float
) -> None:
  """Writes walks as a GIF that repeats without end; missing folders are made.

  All frames share one palette, without dithering: colours that change from
  frame to frame flicker. Six faces of 32x32 take about 25 kB per frame.

  Args:
    path: of the GIF.
    walks: the walkers are arranged in rows.
    columns: walkers per row.
    seconds: per round.

  Raises:
    ValueError: a frame is shorter than 0.02 s, which browsers slow down.
  """
  duration = 10 * round(100 * seconds / len(walks))  # GIFs count in 10 ms
  if duration < 20:
    raise ValueError(
      f'{len(walks)} frames in {seconds} s: expected 0.02 s or more per frame; '
      'use fewer frames or more seconds'
    )
  sheets = [figures.grid(frame, columns=columns) for frame in walks]
  palette = _palette(walks)
  first, *others = [_quantised(sheet, palette) for sheet in sheets]
  options = {'save_all': True, 'append_images': others, 'loop': 0}
  figures.write_image(path, first, format='GIF', duration=duration, **options)


def _palette(walks: Frames) -> Image.Image:
  """Chooses the colours, white among them, from a sample of all pixels."""
  colours = np.broadcast_to(walks, (*walks.shape[:-1], 3)).reshape(-1, 3)
  sampled = colours[:: max(1, len(colours) // _SAMPLED)]
  strip = Image.fromarray(np.ascontiguousarray(sampled[None]))
  chosen = strip.quantize(
    _COLOURS - 1, method=Image.Quantize.MEDIANCUT, kmeans=2
  ).getpalette()
  palette = Image.new('P', (1, 1))
  palette.putpalette([*(chosen or []), *[layout.PAPER] * 3])
  return palette


def _quantised(sheet: layout.Picture, palette: Image.Image) -> Image.Image:
  coloured = np.broadcast_to(sheet, (*sheet.shape[:2], 3))
  image = Image.fromarray(np.ascontiguousarray(coloured))
  return image.quantize(palette=palette, dither=Image.Dither.NONE)
