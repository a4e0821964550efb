"""The network of an oracle and its training.

Source: section 4.2 of the paper, whose predictor has almost the architecture
of Enc (recalled). The paper does not describe its training; this one is ours.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn
from flax.typing import VariableDict
from jaxtyping import Array, Float, Float32, PRNGKeyArray, Shaped, UInt8

from vaegan_jax.core import augmentation, layers
from vaegan_jax.data import batches, cache, progress_bar

# Flax's collections: 'params' and 'batch_stats'.

_CHANNELS = (64, 128, 256)  # of Enc


class Predictor(nn.Module):
  """Maps images to features and to an output for each attribute.

  Attributes:
    outputs: the number of attributes.
    width: the channels as a fraction of those of the paper's Enc.
    hidden: the units of the dense layer, and so the number of features.
  """

  outputs: int
  width: float
  hidden: int

  @nn.compact
  def __call__(
    self, images: Float[Array, 'batch height width channels'], *, train: bool
  ) -> tuple[Float[Array, 'batch hidden'], Float[Array, 'batch outputs']]:
    """Computes features and outputs.

    Features are taken before the ReLU: normalised and nearly Gaussian, as the
    Fréchet distance assumes. After the ReLU half of them would be 0.
    """
    x = images
    for i, channels in enumerate(_CHANNELS, 1):
      channels = max(1, round(self.width * channels))
      x = layers.Convolution(channels, name=f'convolution_{i}')(x)
      x = layers.BatchNormRelu(name=f'normalise_{i}')(x, train=train)
    x = x.reshape(len(x), -1)
    x = nn.Dense(self.hidden, use_bias=False, name='dense')(x)
    features = nn.BatchNorm(
      use_running_average=not train,
      momentum=0.9,
      use_scale=False,  # so that every feature has the same variance
      name='batch_norm_dense',
    )(x)
    return features, nn.Dense(self.outputs, name='outputs')(nn.relu(features))


class Scale(NamedTuple):
  """Relates the values of attributes to the outputs of a Predictor.

  Attributes:
    binary: whether attributes are binary, rather than scores.
    mean: the mean of each attribute over the training images.
    deviation: its standard deviation; 1 where that is 0.
  """

  binary: bool
  mean: Float32[np.ndarray, ' attributes']
  deviation: Float32[np.ndarray, ' attributes']


class Recipe(NamedTuple):
  """Settings of a predictor and its training, of JSON types.

  Attributes:
    steps: training steps.
    batch_size: images per batch.
    width: the channels as a fraction of those of the paper's Enc.
    hidden: the units of the dense layer, and so the number of features.
    learning_rate: AdamW's peak, reached after a tenth of the steps; it rises
      and falls by a cosine.
    weight_decay: AdamW's.
    flips: whether to mirror every other image.
    jitters: whether to shift and recolour images a little, for small data sets.
  """

  steps: int = 2000
  batch_size: int = 128
  width: float = 0.5
  hidden: int = 256
  learning_rate: float = 3e-3
  weight_decay: float = 1e-4
  flips: bool = True
  jitters: bool = False


REFERENCE = Recipe()


def build(scale: Scale, recipe: Recipe) -> Predictor:
  """Builds the network of a recipe."""
  return Predictor(len(scale.mean), recipe.width, recipe.hidden)


def scale_of(attributes: Shaped[np.ndarray, 'images attributes']) -> Scale:
  """Computes the scale of attributes: bool or 0/1 integers, or scores.

  Raises:
    ValueError: integers other than 0 and 1, or a NaN or infinity.
  """
  binary = attributes.dtype.kind in 'biu'
  if binary and not np.isin(attributes, (0, 1)).all():
    raise ValueError(
      f'attributes of type {attributes.dtype} hold values other than 0 and 1, '
      f'from {attributes.min()} to {attributes.max()}: expected 0 or 1, or '
      'scores as floats'
    )
  if not np.isfinite(attributes).all():
    raise ValueError('attributes hold NaN or infinity: expected finite scores')
  deviation = attributes.std(0, dtype=np.float64)
  return Scale(
    binary=binary,
    mean=attributes.mean(0, dtype=np.float64).astype(np.float32),
    deviation=np.where(deviation > 0, deviation, 1).astype(np.float32),
  )


def loss(
  outputs: Float[Array, 'batch attributes'],
  attributes: Float[Array, 'batch attributes'],
  *,
  scale: Scale,
) -> Float[Array, '']:
  """Computes the loss: summed over attributes, averaged over the batch.

  Binary attributes: cross entropy in nats, weighted so that images with and
  without an attribute have equal total weight, however rare it is.
  Scores: half the squared error in standard deviations.
  """
  if not scale.binary:
    target = (attributes - scale.mean) / scale.deviation
    return 0.5 * jnp.square(outputs - target).sum(1).mean()
  entropy = optax.sigmoid_binary_cross_entropy(outputs, attributes)
  shares = jnp.where(attributes > 0, scale.mean, 1 - scale.mean)
  return (entropy * 0.5 / shares).sum(1).mean()


def fit(
  train: cache.Dataset,
  *,
  scale: Scale,
  recipe: Recipe,
  seed: int,
  progress: bool,
) -> VariableDict:
  """Trains a predictor and returns its variables as NumPy arrays."""
  network, optimizer = build(scale, recipe), _optimizer(recipe)
  example = jnp.zeros((1, *train.images.shape[1:]), jnp.float32)
  variables = network.init(jax.random.key(seed), example, train=False)
  state = (variables, optimizer.init(variables['params']))
  step = jax.jit(
    functools.partial(_step, network, optimizer, scale, recipe),
    donate_argnums=0,
  )
  key = jax.random.key(seed + 1)
  loader = batches.Batches(train, seed=seed, batch_size=recipe.batch_size)
  label = f'oracle of {train.source}'
  try:
    with progress_bar.start(
      recipe.steps, label=label, unit='step', shown=progress
    ) as bar:
      for i in range(recipe.steps):
        state = step(state, loader(i), jax.random.fold_in(key, i))
        bar.update(1)
  finally:
    loader.close()
  return jax.tree.map(np.asarray, state[0])


def _optimizer(recipe: Recipe) -> optax.GradientTransformation:
  schedule = optax.cosine_onecycle_schedule(
    recipe.steps, recipe.learning_rate, pct_start=0.1
  )
  return optax.adamw(schedule, b2=0.99, weight_decay=recipe.weight_decay)


def _step(
  network: Predictor,
  optimizer: optax.GradientTransformation,
  scale: Scale,
  recipe: Recipe,
  state: tuple[VariableDict, optax.OptState],
  batch: batches.Batch,
  key: PRNGKeyArray,
) -> tuple[VariableDict, optax.OptState]:
  variables, opt_state = state
  attributes: Any = batch.attributes
  augment = augmentation.make_augment(
    flips=recipe.flips, jitters=recipe.jitters
  )
  draws = jax.random.normal(key, (len(batch.pixels), augmentation.DRAWS))
  images = augment(batch.pixels, draws)

  def objective(params: Any) -> tuple[Array, Any]:
    (_, outputs), updated = network.apply(
      {**variables, 'params': params},
      images,
      train=True,
      mutable=['batch_stats'],
    )
    return loss(outputs, attributes, scale=scale), updated['batch_stats']

  params = variables['params']
  grads, batch_stats = jax.grad(objective, has_aux=True)(params)
  updates, opt_state = optimizer.update(grads, opt_state, params)
  params = optax.apply_updates(params, updates)
  return {'params': params, 'batch_stats': batch_stats}, opt_state


@functools.partial(jax.jit, static_argnums=0)
def apply(
  network: Predictor,
  variables: VariableDict,
  pixels: UInt8[Array, 'batch height width channels'],
) -> tuple[Float[Array, 'batch hidden'], Float[Array, 'batch outputs']]:
  """Computes features and outputs of pixels, 0..255."""
  images = augmentation.to_images(pixels)
  computed: Any = network.apply(variables, images, train=False)
  return computed
