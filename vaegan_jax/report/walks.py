"""Walks in latent space: closed curves of codes, decoded to looping GIFs."""

from __future__ import annotations

import pathlib

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from vaegan_jax import inference
from vaegan_jax.core import gaussian
from vaegan_jax.report import figures, layout

Frames = UInt8[np.ndarray, 'frames walkers _height _width channels']
# '_points': the number of codes along a curve differs within one call.
Codes = Float32[np.ndarray, '_points walkers latent']
Attributes = Float32[np.ndarray, 'walkers attributes']

# Of a random walk: it passes several faces, and slowly enough to see changes.
_HARMONICS = 2
_COLOURS = 256  # of a GIF
_SAMPLED = 2**18  # pixels from which the colours are chosen


def random_walk(
  model: inference.Model,
  *,
  walkers: int,
  frames: int,
  attributes: Attributes | None = None,
  prior: gaussian.Gaussian | None = None,
  seed: int = 0,
) -> Frames:
  """Decodes smooth closed walks, each point of which is a draw of the prior.

  The first walks of a seed are the same for any number of walkers.

  Args:
    model: with a decoder.
    walkers: the number of independent walks.
    frames: per round.
    attributes: of each walker, for a conditional model.
    prior: as in `Model.sample`.
    seed: of the draws.
  """
  draws = model.sample_prior(2 * _HARMONICS * walkers, seed=seed)
  waves = draws.reshape(walkers, 2 * _HARMONICS, model.latent_size)
  codes = loop(waves.swapaxes(0, 1), frames=frames)
  if prior is not None:
    rows = codes.reshape(-1, model.latent_size)
    codes = prior.transform(rows).reshape(codes.shape)
  return _decode(model, codes, attributes)


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
  return _decode(model, visit(stops, frames=frames))


def loop(waves: Codes, *, frames: int) -> Codes:
  """Sums waves to closed curves of codes.

  z(t) = sum_k (a_k cos(2 pi k t) + b_k sin(2 pi k t)) / sqrt(K), t in [0, 1).
  If a and b are draws of N(0, I), then so is each z(t), and its length stays
  near sqrt(latent), as in training. Straight lines between draws would pass
  through shorter codes, which the decoder has not seen.

  Args:
    waves: a_1 to a_K, then b_1 to b_K.
    frames: points of a curve, evenly spaced in t.
  """
  count = len(waves) // 2
  t = np.arange(frames) / frames
  angles = 2 * np.pi * np.outer(t, np.arange(1, count + 1))
  basis = np.concatenate([np.cos(angles), np.sin(angles)], axis=1)
  curves = np.tensordot(basis / np.sqrt(count), waves, axes=1)
  return curves.astype(np.float32)


def visit(stops: Codes, *, frames: int) -> Codes:
  """Moves from each stop to the next and back to the first, slow at each.

  Returns:
    `frames` codes from each stop to the next; each stop occurs once.
  """
  share = (1 - np.cos(np.pi * np.arange(frames) / frames)) / 2
  ends = np.roll(stops, -1, axis=0)
  pairs = zip(stops, ends, strict=True)
  share = share.astype(np.float32)
  return np.concatenate([interpolate(*pair, share=share) for pair in pairs])


def interpolate(
  start: Float32[np.ndarray, 'walkers latent'],
  end: Float32[np.ndarray, 'walkers latent'],
  *,
  share: Float32[np.ndarray, ' frames'],
) -> Codes:
  """Interpolates directions on a great circle, and lengths linearly.

  Source: White, Sampling generative networks, 2016 (slerp).
  """
  (a, length_a), (b, length_b) = _polar(start), _polar(end)
  cosine = np.clip((a * b).sum(-1, keepdims=True), -1, 1)
  angle = np.maximum(np.arccos(cosine), 1e-4)  # 0 has no direction
  t = share[:, None, None]
  direction, _ = _polar(np.sin((1 - t) * angle) * a + np.sin(t * angle) * b)
  codes = direction * ((1 - t) * length_a + t * length_b)
  return codes.astype(np.float32)


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


def _polar(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Splits codes into directions and lengths."""
  lengths = np.linalg.norm(codes.astype(np.float64), axis=-1, keepdims=True)
  return codes / np.maximum(lengths, 1e-12), lengths


def _decode(
  model: inference.Model, codes: Codes, attributes: Attributes | None = None
) -> Frames:
  frames, walkers, latent = codes.shape
  rows = None if attributes is None else np.tile(attributes, (frames, 1))
  pixels = model.decode(codes.reshape(-1, latent), rows)
  return pixels.reshape(frames, walkers, *pixels.shape[1:])


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
