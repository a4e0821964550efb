"""Algorithm 1 in PyTorch: what each network descends, from one forward pass.

The pulls of vaegan_jax/core/algorithm.py and no others: `torch.autograd.grad`
computes the gradients of its inputs alone, so L_llike's way through Dis costs
no gradient of Dis's weights.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from benchmarks import torch_networks

Tensors = list[torch.Tensor]


class Objective(NamedTuple):
  """What is minimised: gamma, the weight of -log Dis(x), its epsilon."""

  gamma: float
  real_weight: float
  epsilon: float


class Descent(NamedTuple):
  """What each network descends, as vaegan_jax.core.algorithm.Descent.

  Attributes:
    costs: -log Dis(x), and -log(1 - Dis) of what is generated, means, [2].
    gradients: by network, in the order of its parameters.
  """

  costs: torch.Tensor
  gradients: dict[str, Tensors]


def descend(
  networks: torch_networks.Networks,
  images: torch.Tensor,
  *,
  noise: Sequence[torch.Tensor],
  objective: Objective,
  autocast: Any = None,
) -> Descent:
  """Computes every network's gradient from one forward pass.

  Args:
    networks: the modules.
    images: x in [-1, 1], [batch, colours, height, width].
    noise: standard normal: of q(z|x), and z_p.
    objective: what is minimised.
    autocast: a context of the forward pass.
  """
  encoder, decoder, discriminator = networks
  with autocast or contextlib.nullcontext():
    mean, log_var = (y.float() for y in encoder(images))
    z = mean + torch.exp(log_var / 2) * noise[0]
    made = decoder(torch.cat([z, noise[1]]))
    dis_l = discriminator.lower(torch.cat([images.to(made.dtype), made]))
    logits = discriminator.upper(dis_l).float()[:, 0]
  prior = 0.5 * (mean.square() + torch.expm1(log_var) - log_var).sum()
  x_l, x_tilde_l, _ = dis_l.float().chunk(3)
  llike = 0.5 * (x_l - x_tilde_l).square().sum()
  signs = torch.ones_like(logits)
  signs[len(images) :] = -1
  costs = -torch.log(torch.sigmoid(signs * logits) + objective.epsilon)
  real, generated = costs.split([len(images), 2 * len(images)])
  discrimination = objective.real_weight * real.sum() + generated.sum()

  # Dynamo thinks that a pull uses up all that lies behind it, the part behind
  # its inputs too. In a compiled graph keeping it costs nothing.
  keep = torch.compiler.is_compiling()
  grad = torch.autograd.grad
  parameters = {
    name: list(network.parameters())
    for name, network in networks._asdict().items()
  }
  (llike_at_made,) = grad(llike, made, retain_graph=True)
  *at_discriminator, at_made = grad(
    discrimination,
    [*parameters['discriminator'], made],
    retain_graph=keep,
  )
  (llike_at_z,) = grad(made, z, llike_at_made, retain_graph=True)
  at_decoder = grad(
    made,
    parameters['decoder'],
    objective.gamma * llike_at_made - at_made,
    retain_graph=keep,
  )
  at_encoder = grad(
    [prior, z], parameters['encoder'], [torch.ones_like(prior), llike_at_z]
  )
  return Descent(
    torch.stack([real.mean(), generated.mean()]).detach(),
    {
      'encoder': list(at_encoder),
      'decoder': list(at_decoder),
      'discriminator': at_discriminator,
    },
  )
