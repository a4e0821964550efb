"""Curves in the space of codes, as arrays of the codes along them."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float32

# '_points': the number of codes along a curve differs within one call.
Codes = Float32[np.ndarray, '_points walkers latent']

# Of a random walk: it passes several images, and slowly enough to see changes.
HARMONICS = 2


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


def _polar(codes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
  """Splits codes into directions and lengths."""
  lengths = np.linalg.norm(codes.astype(np.float64), axis=-1, keepdims=True)
  return codes / np.maximum(lengths, 1e-12), lengths
