"""Algorithm 1 of the paper: one forward pass, and what each network descends.

    z       = mean + exp(log_var / 2) * noise       mean, log_var = Enc(x)
    x_tilde = Dec(z),    x_p = Dec(z_p)             z_p ~ N(0, I)
    L_prior = KL(q(z|x) || N(0, I))
    L_llike = -log N(Dis_l(x) | Dis_l(x_tilde), I)
    discrimination = -log Dis(x) - log(1 - Dis(x_tilde)) - log(1 - Dis(x_p))

    Enc descends  L_prior + L_llike
    Dec descends  gamma * L_llike - discrimination
    Dis descends  discrimination        (the paper's L_GAN, its sign changed)

Three rules live in the order of pullbacks below, and nowhere else: L_GAN never
reaches Enc, L_llike never reaches Dis, gamma acts in Dec's update only. As all
three updates come from one forward pass, no activation is computed twice.

Glossary: paper -> code
    x, x_tilde, x_p     streams 'x', 'x_tilde', 'x_p' of images in [-1, 1]
    Dis_l(x)            features['x']
    Dis(x)              sigmoid(logits['x'])
    theta_Enc, ...      variables['encoder']['params'], ...

Source: algorithm 1 of the paper; model/aegan.py of the authors' code.
Deviation: one pass of Dis over all streams serves L_llike and L_GAN, and one
of Dec serves x_tilde and x_p; the authors normalise [x_tilde; x] apart for
Dis_l, and Dec's x_tilde apart for L_llike.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float, PRNGKeyArray

from vaegan_jax import losses
from vaegan_jax import networks as nets

Streams = Mapping[str, Any]
Variables = Mapping[str, Any]


@dataclasses.dataclass(frozen=True)
class Objective:
  """Says what is minimised.

  Attributes:
    gamma: weight of L_llike against L_GAN, in the decoder's objective alone.
    real_weight: weight of -log Dis(x) in the discrimination; 1 in the paper.
    reconstructions: whether L_GAN has a term for x_tilde.
    epsilon: added inside the logarithms of L_GAN.
    non_saturating: whether Dec descends -log Dis of what it generates instead
      of log(1 - Dis), which has the same fixed point and a larger gradient
      while Dis is winning.
    joint_normalisation: whether the streams of a network share one batch
      normalisation, as in the authors' code, or each has its own.
  """

  gamma: float = 1e-5
  real_weight: float = 1.0
  reconstructions: bool = True
  epsilon: float = 0.0
  non_saturating: bool = False
  joint_normalisation: bool = True

  def judged(self) -> tuple[str, ...]:
    """Names the streams of L_GAN."""
    return ('x', 'x_tilde', 'x_p') if self.reconstructions else ('x', 'x_p')

  def discrimination(self, logits: Streams) -> Float[Array, '']:
    """Computes what Dis descends, in nats, summed over the batch."""
    generated = jnp.stack(self._generated(logits))
    return self.real_weight * self.real(logits) + generated.sum()

  def generation(self, logits: Streams) -> Float[Array, '']:
    """Computes what L_GAN makes Dec descend, in nats, summed over the batch."""
    if not self.non_saturating:
      return -self.discrimination(logits)
    fooled = [
      losses.real(logits[s], epsilon=self.epsilon) for s in self.judged()[1:]
    ]
    return jnp.stack(fooled).sum()

  def real(self, logits: Streams) -> Float[Array, '']:
    """Sums -log Dis(x) over the batch."""
    return losses.real(logits['x'], epsilon=self.epsilon).sum()

  def generated(self, logits: Streams) -> Float[Array, '']:
    """Sums -log(1 - Dis) over the batch, the mean of the generated streams."""
    return jnp.stack(self._generated(logits)).mean()

  def _generated(self, logits: Streams) -> list[Array]:
    return [
      losses.generated(logits[s], epsilon=self.epsilon).sum()
      for s in self.judged()[1:]
    ]


@struct.dataclass
class Terms:
  """The losses of one batch, in nats an image, the mean of the batch.

  Attributes:
    prior: L_prior, summed over the latent axis.
    llike: L_llike without its constant, summed over the features of Dis_l.
    real: -log Dis(x).
    generated: -log(1 - Dis), the mean over x_tilde and x_p.
    generation: what L_GAN makes Dec descend.
  """

  prior: Float[Array, '']
  llike: Float[Array, '']
  real: Float[Array, '']
  generated: Float[Array, '']
  generation: Float[Array, '']


class Descent(NamedTuple):
  """One evaluation of Algorithm 1.

  Attributes:
    terms: the losses.
    gradients: of each network's objective, summed over the batch as in the
      authors' code, by its parameters.
    statistics: each network's new 'batch_stats'.
  """

  terms: Terms
  gradients: dict[str, Any]
  statistics: dict[str, Any]


class Noise(NamedTuple):
  """The standard normal draws of a step: for q(z|x), and z_p itself."""

  posterior: Float[Array, 'batch latent']
  z_p: Float[Array, 'batch latent']


def draw(key: PRNGKeyArray, batch: int, latent: int) -> Noise:
  """Draws the noise of a step."""
  return Noise(*jax.random.normal(key, (2, batch, latent)))


def sample(mean: Array, log_var: Array, *, noise: Array) -> Array:
  """Draws z ~ q(z|x) from standard normal noise (reparametrisation)."""
  return mean + jnp.exp(log_var / 2) * noise


def descend(
  networks: nets.Networks,
  variables: Mapping[str, Variables],
  images: Float[Array, 'batch height width colours'],
  *,
  noise: Noise,
  objective: Objective,
) -> Descent:
  """Computes every network's gradient from one forward pass.

  Args:
    networks: the three modules.
    variables: for each of 'encoder', 'decoder', 'discriminator' its 'params'
      and 'batch_stats'.
    images: x, in [-1, 1].
    noise: the draws of this step.
    objective: what is minimised.
  """
  joint = objective.joint_normalisation
  batch = len(images)

  # Forward. Each pass keeps its pullback.
  encoder = run(networks.encoder, variables['encoder'], {'x': images})
  posterior = encoder.outputs['x']
  z, pull_z = jax.vjp(lambda p: sample(*p, noise=noise.posterior), posterior)
  codes = {'x_tilde': z, 'x_p': noise.z_p}
  decoder = run(networks.decoder, variables['decoder'], codes, joint=joint)
  dis = networks.discriminator
  lower = run(
    dis,
    variables['discriminator'],
    {'x': images, **decoder.outputs},
    joint=joint,
    method=dis.features,
  )
  features = lower.outputs
  upper = run(
    dis,
    {**variables['discriminator'], 'batch_stats': lower.statistics},
    {s: features[s] for s in objective.judged()},
    joint=joint,
    method=dis.judge,
  )
  logits = upper.outputs

  # Losses, and what they send back.
  prior, prior_at_posterior = jax.value_and_grad(_prior)(posterior)
  llike, llike_at_features = jax.value_and_grad(_llike)(
    {s: features[s] for s in ('x', 'x_tilde')}
  )

  # Dis descends the discrimination.
  at_logits = jax.grad(objective.discrimination)(logits)
  upper_gradient, at_features = upper.pull(at_logits)
  lower_gradient, at_images = lower.pull(at_features)
  dis_gradient = _add(upper_gradient, lower_gradient)

  # L_GAN and L_llike reach the generated images through Dis, and leave it be.
  if objective.non_saturating:
    _, at_features = upper.pull(jax.grad(objective.generation)(logits))
    _, gan_at_images = lower.pull(at_features)
  else:
    gan_at_images = _scale(-1, at_images)
  _, llike_at_images = lower.pull(llike_at_features)
  gan_at_images, llike_at_images = (
    {s: at[s] for s in codes if s in at}
    for at in (gan_at_images, llike_at_images)
  )

  # Dec descends gamma * L_llike + the generation.
  decoder_gradient, _ = decoder.pull(
    _sum(_scale(objective.gamma, llike_at_images), gan_at_images)
  )

  # Enc descends L_prior + L_llike, the latter through Dec and z.
  _, llike_at_codes = decoder.pull(llike_at_images)
  (llike_at_posterior,) = pull_z(llike_at_codes['x_tilde'])
  encoder_gradient, _ = encoder.pull(
    {'x': _add(prior_at_posterior, llike_at_posterior)}
  )

  return Descent(
    Terms(
      prior=prior / batch,
      llike=llike / batch,
      real=objective.real(logits) / batch,
      generated=objective.generated(logits) / batch,
      generation=objective.generation(logits) / batch,
    ),
    gradients={
      'encoder': encoder_gradient,
      'decoder': decoder_gradient,
      'discriminator': dis_gradient,
    },
    statistics={
      'encoder': encoder.statistics,
      'decoder': decoder.statistics,
      'discriminator': upper.statistics,
    },
  )


def _prior(posterior: tuple[Array, Array]) -> Array:
  return losses.prior(*posterior).sum()


def _llike(features: Streams) -> Array:
  return losses.llike(features['x'], features['x_tilde']).sum()


class Pass(NamedTuple):
  """A network run on streams.

  Attributes:
    outputs: of each stream.
    pull: cotangents of some streams' outputs (the others' are zero) -> the
      cotangents of the parameters, and those of the streams they reach.
    statistics: the new 'batch_stats'.
  """

  outputs: dict[str, Any]
  pull: Callable[[Streams], tuple[Any, dict[str, Any]]]
  statistics: Any


def run(
  network: Any,
  variables: Variables,
  streams: Streams,
  *,
  joint: bool = True,
  method: Callable | None = None,
) -> Pass:
  """Runs a network on streams: as one batch, or one after the other.

  Jointly, one batch normalisation couples all streams. Apart, each has its
  own, the new running statistics are the average over streams, and a pullback
  costs nothing for streams without a cotangent.
  """

  def apply(params, x):
    output, state = network.apply(
      {**variables, 'params': params},
      x,
      train=True,
      method=method,
      mutable=['batch_stats'],
    )
    return output, state['batch_stats']

  def one(x):
    return jax.vjp(apply, variables['params'], x, has_aux=True)

  if joint:
    return _run_joint(one, streams)
  return _run_apart(one, streams)


def _run_joint(one: Callable, streams: Streams) -> Pass:
  names = tuple(streams)
  output, pull, statistics = one(_interleave(tuple(streams.values())))
  outputs = dict(zip(names, _separate(output, len(names)), strict=True))

  def pull_streams(cotangents):
    full = tuple(
      cotangents[s]
      if s in cotangents
      else jax.tree.map(jnp.zeros_like, outputs[s])
      for s in names
    )
    params, inputs = pull(_interleave(full))
    return params, dict(zip(names, _separate(inputs, len(names)), strict=True))

  return Pass(outputs, pull_streams, statistics)


def _run_apart(one: Callable, streams: Streams) -> Pass:
  outputs, pulls, statistics = {}, {}, []
  for name, x in streams.items():
    outputs[name], pulls[name], new = one(x)
    statistics.append(new)

  def pull_streams(cotangents):
    pulled = {s: pulls[s](cotangent) for s, cotangent in cotangents.items()}
    params = _add(*(params for params, _ in pulled.values()))
    return params, {s: x for s, (_, x) in pulled.items()}

  mean = _scale(1 / len(streams), _add(*statistics))
  return Pass(outputs, pull_streams, mean)


def _interleave(trees: tuple[Any, ...]) -> Any:
  """Joins batches image by image, so that each device keeps its own rows."""
  return jax.tree.map(
    lambda *xs: jnp.stack(xs, 1).reshape(-1, *xs[0].shape[1:]), *trees
  )


def _separate(tree: Any, streams: int) -> list[Any]:
  """Undoes `_interleave`."""
  return [
    jax.tree.map(
      lambda x, i=i: x.reshape(-1, streams, *x.shape[1:])[:, i], tree
    )
    for i in range(streams)
  ]


def _add(*trees: Any) -> Any:
  return jax.tree.map(lambda *xs: sum(xs[1:], xs[0]), *trees)


def _scale(factor: float, tree: Any) -> Any:
  return jax.tree.map(lambda x: factor * x, tree)


def _sum(*streams: Streams) -> dict[str, Any]:
  """Adds cotangents stream by stream; one that is absent counts as zero."""
  names = {s: None for each in streams for s in each}
  return {s: sum(each[s] for each in streams if s in each) for s in names}
