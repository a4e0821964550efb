"""Features of an untrained network, which need no labels and no download.

A random network responds to shapes, colours and textures. Its features compare
models with each other and with real images; values from networks of different
seeds or sizes are not comparable.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, UInt8

from vaegan_jax.core import architecture, augmentation
from vaegan_jax.data import chunks
from vaegan_jax.evaluation import features

CHANNELS = (32, 64, 128)

# The initial weights of the paper have a variance of 1 / (9 fan-in). Scaled to
# 2 / fan-in (He et al., 2015) they preserve the variance of activations.
_GAIN = math.sqrt(18)
_BATCH = 64  # images per call: bounds memory, and one shape is compiled


def extractor(
  shape: tuple[int, int, int], *, seed: int = 0
) -> features.Extract:
  """Makes the feature extractor of a random convolutional network.

  The features are the mean and standard deviation over the image of each
  feature map after the three normalisations of an untrained Encoder:
  2 (32 + 64 + 128) numbers.

  Args:
    shape: height, width and channels of the images; sides divisible by 8.
    seed: determines the weights.

  Returns:
    A function of pixels to float32 [images, 448].
  """
  encoder = architecture.Encoder(latent=1, channels=CHANNELS, hidden=1)
  blank = jnp.zeros((1, *shape))
  variables = encoder.init(jax.random.key(seed), blank, train=False)
  variables = jax.tree_util.tree_map_with_path(_scale, variables)

  def extract(pixels: features.Pixels) -> features.Features:
    if not len(pixels) or pixels.shape[1:] != shape:
      raise ValueError(
        f'pixels of shape {pixels.shape}: this network takes '
        f'[N, {", ".join(map(str, shape))}], N at least 1'
      )
    apply = functools.partial(_features, encoder, variables)
    return chunks.apply(apply, (pixels,), size=_BATCH)

  return extract


def _scale(path: tuple, leaf: Array) -> Array:
  return _GAIN * leaf if path[-1].key == 'kernel' else leaf


@functools.partial(jax.jit, static_argnums=0)
def _features(
  encoder: architecture.Encoder,
  variables: Any,
  pixels: UInt8[Array, 'batch height width channels'],
) -> Float[Array, 'batch features']:
  _, state = encoder.apply(
    variables,
    augmentation.to_images(pixels),
    train=False,
    capture_intermediates=True,
    mutable=['intermediates'],
  )
  captured: Any = state['intermediates']
  names = [f'normalise_{i}' for i in range(1, len(CHANNELS) + 1)]
  maps = [captured[name]['__call__'][0] for name in names]
  pooled = [f(m, axis=(1, 2)) for m in maps for f in (jnp.mean, jnp.std)]
  return jnp.concatenate(pooled, axis=-1)
