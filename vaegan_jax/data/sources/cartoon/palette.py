"""Colours: RGB from 0 to 1, written in hexadecimal."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

Colour = Float[Array | np.ndarray, '3']
Colours = Float[np.ndarray, 'colours 3']
Unit = Float[Array, '']


def rgb(*codes: str) -> Colours:
  """Converts codes such as 'f6d3b3'."""
  return np.array(
    [[int(code[i : i + 2], 16) / 255 for i in (0, 2, 4)] for code in codes],
    np.float32,
  )


PALE = rgb('fff1ea', 'ffe9dc')
SKIN = rgb('f5c9a5', 'efbb93', 'e3aa7e', 'cd9064', 'a66c44', '855438', '6b4430')
IRIS = rgb('5b3a21', '3f7f8c', '4f7f3f', '3d6fb0', '80592b', '6b7a86')
LIPS = rgb('c4626a', 'b8545c')
LIPSTICK = rgb('c2122f', 'd81b60', 'a3123f', 'e0304f')
SHADOW = rgb('7a4fb5', '2f7fb8', '1f9a8f', 'b8489a')
CLOTH = rgb(
  '2f4b7c', 'd1495b', '3d8f82', 'edae49', '6b4c9a', 'e07a5f', '4a5a6a', '8ab17d'
)
TIE = rgb('b3202c', '1f3f8f', '14705a', '6a1f7a')
HAT = rgb('c8432f', '2d6a8f', '3f7d4e', 'e3a32f', '5a3d8a', '39424e')
GEM = rgb('f4c542', 'e8edf2', '3fc1c9', 'ff6f91')
FRAME = rgb('22242c', '6a2b1d', 'a81f2f', '1f3f7a')
BACKDROP = rgb(
  'a9d6e5', 'f7c59f', 'b8e0c2', 'd9c2f0', 'f6d55c', 'f2a6a0', '7fb7be', 'c9ada7'
)
GINGER = rgb('c9571d')[0]
HAIR = {
  'Black_Hair': rgb('26222c')[0],
  'Blond_Hair': rgb('eac163')[0],
  'Brown_Hair': rgb('512f1b')[0],
  'Gray_Hair': rgb('b9bcc4')[0],
}


def pick(colours: Array | np.ndarray, share: Unit) -> Array:
  """Picks an element: the first for share 0, the last for share 1."""
  index = jnp.floor(share * len(colours)).astype(jnp.int32)
  return jnp.asarray(colours)[jnp.clip(index, 0, len(colours) - 1)]


def blend(colours: Colours, share: Unit) -> Colour:
  """Interpolates all colours: the first for share 0, the last for share 1."""
  stops = np.linspace(0, 1, len(colours))
  return jnp.stack([jnp.interp(share, stops, band) for band in colours.T])


def mix(first: Colour, second: Colour, share: Unit | float) -> Colour:
  """Interpolates from the first colour (share 0) to the second (share 1)."""
  return first + (jnp.asarray(second) - first) * share
