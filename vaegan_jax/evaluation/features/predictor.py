"""The network behind an oracle, and its training.

Source: section 4.2 of the paper, whose predictor has almost the architecture
of Enc (recalled); how it is trained is not told, so that part is ours.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import tqdm
from flax import linen as nn
from jaxtyping import Array, Float, Float32, Shaped

from vaegan_jax.core import augmentation, layers
from vaegan_jax.data import batches, cache

_CHANNELS = (64, 128, 256)  # of Enc


class Predictor(nn.Module):
  """Maps images to features and to an output for each attribute.

  Attributes:
    outputs: how many attributes there are.
    width: share of the channels of the paper's Enc.
    hidden: units of the dense layer, and so the number of features.
  """

  outputs: int
  width: float
  hidden: int

  @nn.compact
  def __call__(
    self, images: Float[Array, 'batch height width colours'], *, train: bool
  ) -> tuple[Float[Array, 'batch hidden'], Float[Array, 'batch outputs']]:
    """Computes features and outputs.

    Features are taken before the ReLU: normalised and nearly Gaussian, as a
    Frechet distance supposes, where half of the ReLU's values would be 0.
    """
    x = images
    for i, channels in enumerate(_CHANNELS, 1):
      channels = max(1, round(self.width * channels))
      x = layers.Convolution(channels, name=f'convolution_{i}')(x)
      x = layers.Normalise(name=f'normalise_{i}')(x, train=train)
    x = nn.Dense(self.hidden, use_bias=False, name='dense')(
      x.reshape(len(x), -1)
    )
    features = nn.BatchNorm(
      use_running_average=not train,
      momentum=0.9,
      use_scale=False,  # so that every feature has the same variance
      name='batch_norm_dense',
    )(x)
    return features, nn.Dense(self.outputs, name='outputs')(nn.relu(features))


class Scale(NamedTuple):
  """How an attribute's values and the outputs of a Predictor are related.

  Attributes:
    binary: whether attributes hold or not, rather than having a score.
    mean: of each attribute over the training images.
    deviation: its standard deviation; 1 where that is 0.
  """

  binary: bool
  mean: Float32[np.ndarray, ' attributes']
  deviation: Float32[np.ndarray, ' attributes']


class Recipe(NamedTuple):
  """Settings of a predictor and its training, of JSON types.

  Attributes:
    steps: batches.
    batch_size: images each.
    width: share of the channels of the paper's Enc.
    hidden: units of the dense layer.
    learning_rate: at its peak, after the first tenth; it rises and falls by
      a cosine.
    weight_decay: AdamW's.
    flips: mirror every other image.
    jitters: move and recolour each image a little.
  """

  steps: int
  batch_size: int
  width: float
  hidden: int
  learning_rate: float
  weight_decay: float
  flips: bool
  jitters: bool


def scale_of(attributes: Shaped[np.ndarray, 'images attributes']) -> Scale:
  """Finds out what kind attributes are: bool or 0/1 integers, or scores.

  Raises:
    ValueError: integers other than 0 and 1, or scores that are not finite.
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
  """Computes what is descended: summed over attributes, mean over the batch.

  Binary attributes: cross entropy in nats, weighted so that images with an
  attribute count as much in all as those without, however rare it is; the
  sigmoid is then the chance in a world where both are equally frequent.
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
) -> dict[str, Any]:
  """Trains a predictor; gives its 'params' and 'batch_stats'."""
  network = Predictor(len(scale.mean), recipe.width, recipe.hidden)
  optimizer = _optimizer(recipe)
  example = jnp.zeros((1, *train.images.shape[1:]), jnp.float32)
  variables = network.init(jax.random.key(seed), example, train=False)
  state = (variables, optimizer.init(variables['params']))
  step = jax.jit(
    functools.partial(_step, network, optimizer, scale, recipe),
    donate_argnums=0,
  )
  key = jax.random.key(seed + 1)
  made = batches.Batches(train, seed=seed, batch_size=recipe.batch_size)
  label = f'oracle of {train.source}'
  try:
    for i in tqdm.trange(recipe.steps, desc=label, disable=not progress):
      state = step(state, made(i), jax.random.fold_in(key, i))
  finally:
    made.close()
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
  state: tuple[Any, Any],
  batch: batches.Batch,
  key: Array,
) -> tuple[Any, Any]:
  variables, moments = state
  attributes: Any = batch.attributes
  augment = augmentation.each(flips=recipe.flips, jitters=recipe.jitters)
  draws = jax.random.normal(key, (len(batch.pixels), augmentation.DRAWS))
  images = augment(batch.pixels, draws)

  def objective(params):
    (_, outputs), new = network.apply(
      {**variables, 'params': params},
      images,
      train=True,
      mutable=['batch_stats'],
    )
    return loss(outputs, attributes, scale=scale), new['batch_stats']

  gradient, statistics = jax.grad(objective, has_aux=True)(variables['params'])
  updates, moments = optimizer.update(gradient, moments, variables['params'])
  params = optax.apply_updates(variables['params'], updates)
  return {'params': params, 'batch_stats': statistics}, moments


@functools.partial(jax.jit, static_argnums=0)
def apply(
  network: Predictor, variables: Any, pixels: Array
) -> tuple[Array, Array]:
  """Computes features and outputs of pixels, 0..255."""
  images = augmentation.to_images(pixels)
  computed: Any = network.apply(variables, images, train=False)
  return computed
