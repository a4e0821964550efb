"""Algorithm 1 of the paper: one forward pass, and what each network descends.

Of the VAE/GAN, that is:

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
updates come from one forward pass, no activation is computed twice.

The paper's other models lack some of these lines; objectives.MODELS says which.

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

from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from vaegan_jax.core import architecture, losses, objectives, streams


class Descent(NamedTuple):
  """One evaluation of Algorithm 1.

  Attributes:
    terms: the losses.
    diagnostics: what tells of a collapse.
    gradients: of the objective of each network that learns, summed over the
      batch as in the authors' code, by its parameters.
    statistics: the new 'batch_stats' of each network that learns.
  """

  terms: objectives.Terms
  diagnostics: objectives.Diagnostics
  gradients: dict[str, Any]
  statistics: dict[str, Any]


class Noise(NamedTuple):
  """The standard normal draws of a step: for q(z|x), and z_p itself."""

  posterior: Float[Array, 'batch latent']
  z_p: Float[Array, 'batch latent']


def sample(mean: Array, log_var: Array, *, noise: Array) -> Array:
  """Draws z ~ q(z|x) from standard normal noise (reparametrisation)."""
  return mean + jnp.exp(log_var / 2) * noise


class Forward(NamedTuple):
  """One forward pass: each network's part, kept with its pullback.

  Each is a streams.Pass; None stands for what a model does not have.

  Attributes:
    encoder: x -> mean and log variance.
    pull_z: a cotangent of z -> one of mean and log variance.
    decoder: z, z_p -> x_tilde, x_p.
    lower: x, x_tilde, x_p -> Dis_l, or unchanged where pixels are compared.
    upper: Dis_l of the judged streams -> logits.
  """

  encoder: Any
  pull_z: Any
  decoder: streams.Pass
  lower: streams.Pass
  upper: Any


def descend(
  networks: architecture.Networks,
  variables: Mapping[str, streams.Variables],
  images: Float[Array, 'batch height width colours'],
  *,
  noise: Noise,
  objective: objectives.Objective,
  attributes: Float[Array, 'batch attributes'] | None = None,
  recompute: bool = False,
) -> Descent:
  """Computes every network's gradient from one forward pass.

  Args:
    networks: the modules of the objective's model.
    variables: the 'params' and 'batch_stats' of each of them.
    images: x, in [-1, 1].
    noise: the draws of this step.
    objective: what is minimised.
    attributes: of the images, for conditional networks.
    recompute: whether Enc and Dec run again for their gradients, so that what
      they compute need not be kept meanwhile.
  """
  forward = run(
    networks,
    variables,
    images,
    noise=noise,
    objective=objective,
    attributes=attributes,
    recompute=recompute,
  )
  terms: dict[str, Array] = {}
  gradients: dict[str, Any] = {}
  at_images = []
  if objective.model.adversarial:
    gan, gradients['discriminator'], gan_at_images = _judge(forward, objective)
    terms |= gan
    at_images.append(gan_at_images)
  if objective.model.llike:
    vae, gradients['encoder'], llike_at_images = _infer(forward)
    terms |= vae
    at_images.append(streams.scale(objective.weight(), llike_at_images))
  # Dec descends gamma * L_llike + the generation.
  gradients['decoder'], _ = forward.decoder.pull(
    streams.add_streams(*at_images)
  )
  passes = {
    'encoder': forward.encoder,
    'decoder': forward.decoder,
    'discriminator': forward.upper,
  }
  return Descent(
    objectives.Terms(**streams.scale(1 / len(images), terms)),
    _diagnose(forward, objective.model),
    gradients,
    {name: passes[name].statistics for name in gradients},
  )


def run(
  networks: architecture.Networks,
  variables: Mapping[str, streams.Variables],
  images: Float[Array, 'batch height width colours'],
  *,
  noise: Noise,
  objective: objectives.Objective,
  attributes: Float[Array, 'batch attributes'] | None = None,
  recompute: bool = False,
) -> Forward:
  """Runs the networks forward; the arguments are those of `descend`."""
  model, joint = objective.model, objective.joint_normalisation
  encoder = pull_z = upper = None
  codes = {}
  if model.llike:
    encoder = streams.run(
      networks.encoder,
      variables['encoder'],
      {'x': images},
      attributes=attributes,
      recompute=recompute,
    )
    codes['x_tilde'], pull_z = jax.vjp(
      lambda posterior: sample(*posterior, noise=noise.posterior),
      encoder.outputs['x'],
    )
  if model.adversarial:
    codes['x_p'] = noise.z_p
  decoder = streams.run(
    networks.decoder,
    variables['decoder'],
    codes,
    attributes=attributes,
    joint=joint,
    recompute=recompute,
  )
  compared = {'x': images, **decoder.outputs}
  if model.llike == 'pixels':
    return Forward(encoder, pull_z, decoder, streams.unchanged(compared), None)
  dis, dis_variables = networks.discriminator, variables['discriminator']
  frozen = model.given == 'discriminator'
  # Nothing to recompute: Dis is differentiated at once, with all it made alive.
  lower = streams.run(
    dis,
    dis_variables,
    compared,
    joint=joint and not frozen,
    train=not frozen,
    method=dis.features,
  )
  if model.adversarial:
    upper = streams.run(
      dis,
      {**dis_variables, 'batch_stats': lower.statistics},
      {s: lower.outputs[s] for s in objective.judged()},
      attributes=attributes,
      joint=joint,
      method=dis.judge,
    )
  return Forward(encoder, pull_z, decoder, lower, upper)


def _judge(
  forward: Forward, objective: objectives.Objective
) -> tuple[dict[str, Array], Any, streams.Streams]:
  """Computes L_GAN: its terms, Dis's gradient, and what reaches Dec's images.

  Dis descends the discrimination. The generation reaches what Dec made through
  Dis, and leaves Dis be.
  """
  logits = forward.upper.outputs
  upper_gradient, at_features = forward.upper.pull(
    jax.grad(objective.discrimination)(logits)
  )
  lower_gradient, at_images = forward.lower.pull(at_features)
  if objective.non_saturating:
    _, at_features = forward.upper.pull(jax.grad(objective.generation)(logits))
    _, at_images = forward.lower.pull(at_features)
  else:
    at_images = streams.scale(-1, at_images)
  terms = {
    'real': objective.real(logits),
    'generated': objective.generated(logits),
    'generation': objective.generation(logits),
  }
  gradient = streams.add(upper_gradient, lower_gradient)
  return terms, gradient, _made(forward, at_images)


def _infer(forward: Forward) -> tuple[dict[str, Array], Any, streams.Streams]:
  """Computes L_prior and L_llike, Enc's gradient, and what reaches x_tilde.

  Enc descends L_prior + L_llike, the latter through Dec and z. L_llike leaves
  Dis be.
  """
  posterior = forward.encoder.outputs['x']
  prior, prior_at_posterior = jax.value_and_grad(_prior)(posterior)
  llike, llike_at_features = jax.value_and_grad(_llike)(
    {s: forward.lower.outputs[s] for s in ('x', 'x_tilde')}
  )
  _, at_inputs = forward.lower.pull(llike_at_features)
  at_images = _made(forward, at_inputs)
  _, at_codes = forward.decoder.pull(at_images)
  (llike_at_posterior,) = forward.pull_z(at_codes['x_tilde'])
  gradient, _ = forward.encoder.pull(
    {'x': streams.add(prior_at_posterior, llike_at_posterior)}
  )
  return {'prior': prior, 'llike': llike}, gradient, at_images


def _diagnose(
  forward: Forward, model: objectives.Model
) -> objectives.Diagnostics:
  """Looks at what the losses do not show; nothing flows back from here."""
  prior = power = None
  if model.llike:
    prior = losses.prior_by_dimension(*forward.encoder.outputs['x']).mean(0)
  if 'discriminator' in model.networks():
    features = forward.lower.outputs['x'].astype(jnp.float32)
    power = jnp.square(features).mean()
  return objectives.Diagnostics(prior, power)


def _made(forward: Forward, at_images: streams.Streams) -> streams.Streams:
  """Keeps the cotangents of the images that Dec made."""
  return {s: at_images[s] for s in forward.decoder.outputs if s in at_images}


def _prior(posterior: tuple[Array, Array]) -> Array:
  return losses.prior(*posterior).sum()


def _llike(features: streams.Streams) -> Array:
  return losses.llike(features['x'], features['x_tilde']).sum()
