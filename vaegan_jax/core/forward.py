"""The networks' forward passes, on all the streams that each of them sees.

Enc encodes x, Dec decodes z and z_p, Dis judges x, x_tilde and x_p. These
batches are called streams, and a dict holds them by name. Whether the streams
of a network share one batch normalisation or each have their own is decided
here and nowhere else.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import NamedTuple, TypeAlias

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.typing import VariableDict
from jax import lax
from jaxtyping import Array, Float, PyTree

from vaegan_jax.core import architecture, objectives
from vaegan_jax.ops import normalisation

Params: TypeAlias = PyTree
BatchStats: TypeAlias = PyTree
Posterior: TypeAlias = tuple[Float[Array, 'batch n'], Float[Array, 'batch n']]
Streams: TypeAlias = dict[str, Array]

_EPSILON = 1e-8  # added to the mean square of a channel of Dis_l


class Noise(NamedTuple):
  """The standard normal draws of a step: for z ~ q(z|x), and z_p itself."""

  posterior: Float[Array, 'batch latent']
  z_p: Float[Array, 'batch latent']


def sample(mean: Array, log_var: Array, *, noise: Array) -> Array:
  """Draws z ~ q(z|x) from standard normal noise (reparametrisation)."""
  return mean + jnp.exp(log_var / 2) * noise


@dataclasses.dataclass(frozen=True)
class Forward:
  """The networks as functions of what gradients are taken with respect to.

  Each method returns its output and the new 'batch_stats' of its network. The
  output is None where the model has no such network.

  Attributes:
    networks: the modules of the objective's model.
    variables: the 'params' and 'batch_stats' of each of them.
    images: x, in [-1, 1].
    noise: the draws of the step.
    objective: what is minimised.
    attributes: of the images, for conditional networks.
  """

  networks: architecture.Networks
  variables: Mapping[str, VariableDict]
  images: Float[Array, 'batch height width channels']
  noise: Noise
  objective: objectives.Objective
  attributes: Float[Array, 'batch attributes'] | None = None

  def params(self) -> dict[str, Params]:
    """Returns the params of each network; None for those the model lacks."""
    return {
      name: self.variables.get(name, {}).get('params')
      for name in architecture.NAMES
    }

  def encode(self, params: Params) -> tuple[Posterior | None, BatchStats]:
    """Computes the mean and log variance of q(z|x)."""
    if not self.objective.model.llike:
      return None, None
    outputs, batch_stats = self._apply('encoder', params, {'x': self.images})
    return outputs['x'], batch_stats

  def decode(
    self, params: Params, posterior: Posterior | None
  ) -> tuple[Streams, BatchStats]:
    """Computes x_tilde = Dec(z) and x_p = Dec(z_p)."""
    codes = {}
    if posterior is not None:
      codes['x_tilde'] = sample(*posterior, noise=self.noise.posterior)
    if self.objective.model.adversarial:
      codes['x_p'] = self.noise.z_p
    return self._apply('decoder', params, codes)

  def dis_l(self, params: Params, made: Streams) -> tuple[Streams, BatchStats]:
    """Computes Dis_l of x and of Dec's images; a VAE compares the pixels."""
    compared = {'x': self.images, **made}
    if self.objective.model.llike == 'pixels':
      return compared, None
    return self._apply('discriminator', params, compared, method='features')

  def judge(
    self, params: Params, dis_l: Streams, *, batch_stats: BatchStats
  ) -> tuple[Streams, BatchStats]:
    """Computes the logits of Dis from Dis_l and the statistics below it."""
    judged = {name: dis_l[name] for name in self.objective.judged()}
    return self._apply(
      'discriminator', params, judged, method='judge', batch_stats=batch_stats
    )

  def feature_scale(self, dis_l: Streams) -> Float[Array, ' channels'] | float:
    """Returns what L_llike multiplies Dis_l by; 1 in the paper."""
    objective = self.objective
    if not objective.unit_features or objective.model.llike == 'pixels':
      return 1.0
    return lax.rsqrt(self._mean_square(dis_l['x']) + _EPSILON)

  def rms(self, streams: Streams) -> Float[Array, '']:
    """Computes the root mean square over all streams."""
    squares = [self._mean_square(x).mean() for x in streams.values()]
    return jnp.sqrt(jnp.stack(squares).mean())

  def _mean_square(self, x: Array) -> Float[Array, ' channels']:
    """Averages the squares of each channel over the whole batch."""
    return normalisation.mean_square(
      x, axis_name=self.networks.decoder.axis_name
    )

  def _apply(
    self,
    name: str,
    params: Params,
    streams: Streams,
    *,
    method: str = '__call__',
    batch_stats: BatchStats = None,
  ) -> tuple[dict[str, PyTree], BatchStats]:
    """Applies a network to its streams, as one batch or one by one."""
    network: nn.Module = self.networks.present()[name]
    # A Dis from another run is evaluated with its running statistics.
    train = name != self.objective.model.given
    batch_stats = batch_stats or self.variables[name]['batch_stats']
    takes_attributes = self.attributes is not None and method != 'features'

    def one(x: Array, count: int = 1) -> tuple[PyTree, BatchStats]:
      attributes = [_interleave([self.attributes] * count)]
      output, state = network.apply(
        {'params': params, 'batch_stats': batch_stats},
        x,
        *(attributes if takes_attributes else ()),
        train=train,
        method=method,
        mutable=['batch_stats'],
      )
      return output, state['batch_stats']

    if self.objective.joint_normalisation and train:
      output, batch_stats = one(_interleave(streams.values()), len(streams))
      return _separate(output, tuple(streams)), batch_stats
    applied = {name: one(x) for name, x in streams.items()}
    outputs = {name: output for name, (output, _) in applied.items()}
    return outputs, _mean([batch_stats for _, batch_stats in applied.values()])


def _interleave(trees: Iterable[PyTree]) -> PyTree:
  """Joins batches image by image, so that each device keeps its own rows."""
  return jax.tree.map(
    lambda *xs: jnp.stack(xs, 1).reshape(-1, *xs[0].shape[1:]), *trees
  )


def _separate(tree: PyTree, names: tuple[str, ...]) -> dict[str, PyTree]:
  """Undoes `_interleave`."""

  def stream(i: int) -> PyTree:
    return jax.tree.map(
      lambda x: x.reshape(-1, len(names), *x.shape[1:])[:, i], tree
    )

  return {name: stream(i) for i, name in enumerate(names)}


def _mean(trees: list[PyTree]) -> PyTree:
  return jax.tree.map(lambda *xs: sum(xs[1:], xs[0]) / len(xs), *trees)
