"""Algorithm 1 of the paper: one forward pass, and one pull for each loss.

    z       = mean + exp(log_var / 2) * noise       mean, log_var = Enc(x)
    x_tilde = Dec(z),    x_p = Dec(z_p)             z_p ~ N(0, I)
    L_prior = KL(q(z|x) || N(0, I))
    L_llike = -log N(Dis_l(x) | Dis_l(x_tilde), I)
    L_GAN   = -log Dis(x) - log(1 - Dis(x_tilde)) - log(1 - Dis(x_p))

    Enc descends  L_prior + L_llike
    Dec descends  gamma * L_llike - L_GAN
    Dis descends  L_GAN

Four settings of the objective, off in the paper, add a weight of L_prior, a
scale of Dis_l, a share of pixels in L_llike, and a relative gamma. Two more
let a loss reach a network that it must not, as it does in some ports, to
measure what that costs.

Here L_GAN is the cross entropy that Dis descends: the negative of L_GAN in the
paper's text, with which the printed update of Dis has the wrong sign. The
paper's other models lack some terms and networks: objectives.MODELS says which.

Source: algorithm 1 of the paper; model/aegan.py of the authors' code.
Deviation: one pass of Dis over all streams serves L_llike and L_GAN, and one
of Dec serves x_tilde and x_p; the authors normalise [x_tilde; x] apart for
Dis_l, and Dec's x_tilde apart for L_llike.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from vaegan_jax.core import forward, losses, objectives, remat


class Descent(NamedTuple):
  """One evaluation of Algorithm 1.

  Attributes:
    terms: the losses.
    diagnostics: signs of a collapse.
    gradients: of each learned network's objective, summed over the batch as in
      the authors' code, with respect to its params.
    batch_stats: the new running statistics of each learned network.
  """

  terms: objectives.Terms
  diagnostics: objectives.Diagnostics
  gradients: dict[str, forward.Params]
  batch_stats: dict[str, forward.BatchStats]


def descend(networks: forward.Forward, *, recompute: bool = False) -> Descent:
  """Computes the gradient of each network's objective.

  Args:
    networks: the networks and the batch.
    recompute: whether to recompute the activations of Enc and Dec for their
      gradients instead of keeping them.
  """
  objective, model = networks.objective, networks.objective.model
  params = networks.params()
  vjp = functools.partial(remat.vjp, recompute=recompute)

  # Forward: x -> z -> x_tilde and z_p -> x_p; x, x_tilde, x_p -> Dis_l.
  posterior, pull_encoder, encoder_stats = vjp(
    networks.encode, params['encoder']
  )
  made, pull_decoder, decoder_stats = vjp(
    networks.decode, params['decoder'], posterior
  )
  dis_l, pull_dis_l, dis_stats = jax.vjp(
    networks.dis_l, params['discriminator'], made, has_aux=True
  )
  stats = {'encoder': encoder_stats, 'decoder': decoder_stats}

  terms: dict[str, Float[Array, '']] = {}
  gradients: dict[str, forward.Params] = {}
  llike = gan = _Pulled({}, {}, jax.tree.map(jnp.zeros_like, made))
  if model.llike:
    llike = _pull_llike(networks, made, dis_l, pull_dis_l)
    terms |= llike.terms
  if model.adversarial:
    gan, stats['discriminator'] = _pull_gan(
      networks, dis_l, pull_dis_l, batch_stats=dis_stats
    )
    terms |= gan.terms
    # Dis descends L_GAN; L_llike leaves it alone.
    gradients['discriminator'] = gan.at_dis
    if objective.llike_reaches_discriminator and model.llike:
      gradients['discriminator'] = optax.tree.add(gan.at_dis, llike.at_dis)

  # Dec descends gamma * L_llike - L_GAN.
  gamma: Array | float = objective.llike_weight()
  if objective.relative_gamma and model.llike and model.adversarial:
    gamma *= networks.rms(gan.at_made) / networks.rms(llike.at_made)
  gradients['decoder'], _ = pull_decoder(
    optax.tree.sub(optax.tree.scale(gamma, llike.at_made), gan.at_made)
  )
  if model.llike:
    terms['prior'], prior_at_posterior = jax.value_and_grad(_prior)(posterior)
    prior_at_posterior = optax.tree.scale(
      objective.prior_weight, prior_at_posterior
    )
    # Enc descends L_prior + L_llike; L_GAN never reaches it.
    encoder_at_made = llike.at_made
    if objective.gan_reaches_encoder:
      encoder_at_made = optax.tree.sub(llike.at_made, gan.at_made)
    _, at_posterior = pull_decoder(encoder_at_made)
    (gradients['encoder'],) = pull_encoder(
      optax.tree.add(prior_at_posterior, at_posterior)
    )
  return Descent(
    objectives.Terms(**optax.tree.scale(1 / len(networks.images), terms)),
    objective.diagnose(posterior, dis_l),
    gradients,
    {name: stats[name] for name in gradients},
  )


class _Pulled(NamedTuple):
  """A loss pulled back to the params of Dis and to the images of Dec."""

  terms: dict[str, Float[Array, '']]
  at_dis: forward.Params
  at_made: forward.Streams


def _pull_llike(
  networks: forward.Forward,
  made: forward.Streams,
  dis_l: forward.Streams,
  pull_dis_l: Callable,
) -> _Pulled:
  objective = networks.objective
  llike, at_dis_l = jax.value_and_grad(_llike)(
    dis_l, networks.feature_scale(dis_l)
  )
  at_dis, at_made = pull_dis_l(at_dis_l)
  if not objective.joint_normalisation:
    # Only a shared normalisation lets x_p take part in L_llike.
    zeros = jax.tree.map(jnp.zeros_like, made)
    at_made = zeros | {'x_tilde': at_made['x_tilde']}
  if objective.pixel_weight and objective.model.llike == 'dis_l':
    pixels, at_x_tilde = jax.value_and_grad(_pixels)(made['x_tilde'], networks)
    llike += pixels
    at_made |= {'x_tilde': at_made['x_tilde'] + at_x_tilde}
  return _Pulled({'llike': llike}, at_dis, at_made)


def _pull_gan(
  networks: forward.Forward,
  dis_l: forward.Streams,
  pull_dis_l: Callable,
  *,
  batch_stats: forward.BatchStats,
) -> tuple[_Pulled, forward.BatchStats]:
  objective = networks.objective
  logits, pull_judge, batch_stats = jax.vjp(
    functools.partial(networks.judge, batch_stats=batch_stats),
    networks.params()['discriminator'],
    dis_l,
    has_aux=True,
  )
  above, at_dis_l = pull_judge(jax.grad(objective.gan)(logits))
  below, at_made = pull_dis_l(at_dis_l)
  if objective.non_saturating:
    # Dec ascends log Dis of what it made, in place of L_GAN.
    _, at_dis_l = pull_judge(jax.grad(objective.fooling)(logits))
    _, at_made = pull_dis_l(at_dis_l)
  at_dis = optax.tree.add(above, below)
  return _Pulled(objective.gan_terms(logits), at_dis, at_made), batch_stats


def _prior(posterior: forward.Posterior) -> Float[Array, '']:
  return losses.prior(*posterior).sum()


def _llike(dis_l: forward.Streams, scale: Array | float) -> Float[Array, '']:
  """Sums L_llike over the batch.

  Deviation: with joint normalisation, Dis_l(x) depends on x_tilde, and so the
  gradient passes through it too; the authors' code takes it as a constant.
  """
  return losses.llike(scale * dis_l['x'], scale * dis_l['x_tilde']).sum()


def _pixels(x_tilde: Array, networks: forward.Forward) -> Float[Array, '']:
  weight = networks.objective.pixel_weight
  return weight * losses.llike(networks.images, x_tilde).sum()
