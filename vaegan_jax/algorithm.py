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

from vaegan_jax import losses, streams
from vaegan_jax import networks as nets


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

  def discrimination(self, logits: streams.Streams) -> Float[Array, '']:
    """Computes what Dis descends, in nats, summed over the batch."""
    generated = jnp.stack(self._generated(logits))
    return self.real_weight * self.real(logits) + generated.sum()

  def generation(self, logits: streams.Streams) -> Float[Array, '']:
    """Computes what L_GAN makes Dec descend, in nats, summed over the batch."""
    if not self.non_saturating:
      return -self.discrimination(logits)
    fooled = [
      losses.real(logits[s], epsilon=self.epsilon) for s in self.judged()[1:]
    ]
    return jnp.stack(fooled).sum()

  def real(self, logits: streams.Streams) -> Float[Array, '']:
    """Sums -log Dis(x) over the batch."""
    return losses.real(logits['x'], epsilon=self.epsilon).sum()

  def generated(self, logits: streams.Streams) -> Float[Array, '']:
    """Sums -log(1 - Dis) over the batch, the mean of the generated streams."""
    return jnp.stack(self._generated(logits)).mean()

  def _generated(self, logits: streams.Streams) -> list[Array]:
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


class Forward(NamedTuple):
  """One forward pass: each network's part, kept with its pullback.

  Attributes:
    encoder: x -> mean and log variance.
    pull_z: a cotangent of z -> one of mean and log variance.
    decoder: z, z_p -> x_tilde, x_p.
    lower: x, x_tilde, x_p -> Dis_l.
    upper: Dis_l of the judged streams -> logits.
  """

  encoder: streams.Pass
  pull_z: Callable[[Array], tuple[Any]]
  decoder: streams.Pass
  lower: streams.Pass
  upper: streams.Pass


def forward(
  networks: nets.Networks,
  variables: Mapping[str, streams.Variables],
  images: Float[Array, 'batch height width colours'],
  *,
  noise: Noise,
  objective: Objective,
) -> Forward:
  """Runs the three networks; the arguments are those of `descend`."""
  joint = objective.joint_normalisation
  dis, dis_variables = networks.discriminator, variables['discriminator']
  encoder = streams.run(networks.encoder, variables['encoder'], {'x': images})
  z, pull_z = jax.vjp(
    lambda p: sample(*p, noise=noise.posterior), encoder.outputs['x']
  )
  decoder = streams.run(
    networks.decoder,
    variables['decoder'],
    {'x_tilde': z, 'x_p': noise.z_p},
    joint=joint,
  )
  lower = streams.run(
    dis,
    dis_variables,
    {'x': images, **decoder.outputs},
    joint=joint,
    method=dis.features,
  )
  upper = streams.run(
    dis,
    {**dis_variables, 'batch_stats': lower.statistics},
    {s: lower.outputs[s] for s in objective.judged()},
    joint=joint,
    method=dis.judge,
  )
  return Forward(encoder, pull_z, decoder, lower, upper)


def descend(
  networks: nets.Networks,
  variables: Mapping[str, streams.Variables],
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
  encoder, pull_z, decoder, lower, upper = forward(
    networks, variables, images, noise=noise, objective=objective
  )
  logits = upper.outputs
  prior, prior_at_posterior = jax.value_and_grad(_prior)(encoder.outputs['x'])
  llike, llike_at_features = jax.value_and_grad(_llike)(
    {s: lower.outputs[s] for s in ('x', 'x_tilde')}
  )

  # Dis descends the discrimination.
  upper_gradient, at_features = upper.pull(
    jax.grad(objective.discrimination)(logits)
  )
  lower_gradient, at_images = lower.pull(at_features)

  # L_GAN and L_llike reach what Dec made through Dis, and leave Dis be.
  if objective.non_saturating:
    _, at_features = upper.pull(jax.grad(objective.generation)(logits))
    _, gan_at_images = lower.pull(at_features)
  else:
    gan_at_images = streams.scale(-1, at_images)
  _, llike_at_images = lower.pull(llike_at_features)
  gan_at_images, llike_at_images = (
    {s: at[s] for s in decoder.outputs if s in at}
    for at in (gan_at_images, llike_at_images)
  )

  # Dec descends gamma * L_llike + the generation.
  decoder_gradient, _ = decoder.pull(
    streams.add_streams(
      streams.scale(objective.gamma, llike_at_images), gan_at_images
    )
  )

  # Enc descends L_prior + L_llike, the latter through Dec and z.
  _, llike_at_codes = decoder.pull(llike_at_images)
  (llike_at_posterior,) = pull_z(llike_at_codes['x_tilde'])
  encoder_gradient, _ = encoder.pull(
    {'x': streams.add(prior_at_posterior, llike_at_posterior)}
  )

  batch = len(images)
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
      'discriminator': streams.add(upper_gradient, lower_gradient),
    },
    statistics={
      'encoder': encoder.statistics,
      'decoder': decoder.statistics,
      'discriminator': upper.statistics,
    },
  )


def _prior(posterior: tuple[Array, Array]) -> Array:
  return losses.prior(*posterior).sum()


def _llike(features: streams.Streams) -> Array:
  return losses.llike(features['x'], features['x_tilde']).sum()
