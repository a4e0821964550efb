"""Features without labels or downloads: those of a network never trained.

A random network sees shapes, colours and textures, if not what they mean. Its
features serve to compare models with each other and with the floor; the
numbers mean nothing beside those of another network.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float32, UInt8

from vaegan_jax.core import architecture, augmentation
from vaegan_jax.data import chunks
from vaegan_jax.evaluation.metrics import quality

CHANNELS = (32, 64, 128)

# The paper's weights have a variance of 1 / 9 over the fan-in; with 2, as of
# He et al. (2015), the layers keep the size of what passes them.
_GAIN = math.sqrt(18)
_BATCH = 256  # images a call: bounds memory, and one shape is compiled


def features(shape: tuple[int, int, int], *, seed: int = 0) -> quality.Extract:
  """Makes a random convolutional network that gives features of images.

  The features are the maps of an untrained Encoder after each of its three
  normalisations: their mean and standard deviation over the image, twice
  32 + 64 + 128 numbers.

  Args:
    shape: height, width, colours of the images; sides divisible by 8.
    seed: of the weights. Values of two seeds cannot be compared.

  Returns:
    A function of pixels to float32 [images, 448].
  """
  encoder = architecture.Encoder(latent=1, channels=CHANNELS, hidden=1)
  blank = jnp.zeros((1, *shape))
  variables = encoder.init(jax.random.key(seed), blank, train=False)
  variables = jax.tree_util.tree_map_with_path(_scale, variables)

  def extract(
    pixels: UInt8[np.ndarray, '_images height width colours'],
  ) -> Float32[np.ndarray, '_images features']:
    if not len(pixels) or pixels.shape[1:] != shape:
      raise ValueError(
        f'pixels of shape {pixels.shape}: this network takes '
        f'[N, {", ".join(map(str, shape))}], N at least 1'
      )
    pooled = functools.partial(_pooled, encoder, variables)
    return chunks.apply(pooled, (pixels,), size=_BATCH)

  return extract


def _scale(path: tuple, leaf: Array) -> Array:
  return _GAIN * leaf if path[-1].key == 'kernel' else leaf


@functools.partial(jax.jit, static_argnums=0)
def _pooled(
  encoder: architecture.Encoder, variables: Any, pixels: Array
) -> Array:
  """Gives the mean and spread of each map of every level."""
  _, state = encoder.apply(
    variables,
    augmentation.to_images(pixels),
    train=False,
    capture_intermediates=True,
    mutable=['intermediates'],
  )
  caught: Any = state['intermediates']
  names = [f'normalise_{i}' for i in range(1, len(CHANNELS) + 1)]
  maps = [caught[name]['__call__'][0] for name in names]
  pooled = [f(m, axis=(1, 2)) for m in maps for f in (jnp.mean, jnp.std)]
  return jnp.concatenate(pooled, axis=-1)
