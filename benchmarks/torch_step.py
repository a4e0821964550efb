"""Our training step in PyTorch: equal work, as plain and fast as possible.

One forward pass, and the pullbacks of vaegan_jax/core/algorithm.py and no
others: `torch.autograd.grad` computes the gradients of its inputs only, so
L_llike passes through Dis without a gradient of Dis's weights. Nothing waits
for the host, as the equilibrium rule is a mask. The norms of the gradients,
which our step also reports, are left out.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from typing import Any

import ml_collections
import torch
from torch import nn

from benchmarks import contestants, reference, torch_networks

Tensors = list[torch.Tensor]
DEVICE = 'cuda' if torch.cuda.is_available() else 'cpu'


def descend(
  networks: torch_networks.Networks,
  images: torch.Tensor,
  *,
  noise: Sequence[torch.Tensor],
  config: ml_collections.ConfigDict,
  autocast: Any = None,
) -> tuple[torch.Tensor, dict[str, Tensors]]:
  """Computes every network's gradient from one forward pass.

  Args:
    networks: the modules.
    images: x in [-1, 1], [batch, colours, height, width].
    noise: standard normal draws: for q(z|x), and z_p.
    config: like the reference's.
    autocast: a context for the forward pass.

  Returns:
    the means of -log Dis(x) and of -log(1 - Dis) of generated images, and the
    gradients by network, in the order of its parameters.
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
  costs = -torch.log(torch.sigmoid(signs * logits) + config.log_epsilon)
  real, generated = costs.split([len(images), 2 * len(images)])
  real_weight = config.real_share * generated_scale(config)
  discrimination = real_weight * real.sum() + generated.sum()

  # Dynamo assumes that a pullback frees the graph beyond its inputs too. In a
  # compiled graph retaining it costs nothing.
  retain, grad = torch.compiler.is_compiling(), torch.autograd.grad
  params = {n: list(m.parameters()) for n, m in networks._asdict().items()}
  (llike_at_made,) = grad(llike, made, retain_graph=True)
  *dis_gradient, at_made = grad(
    discrimination, [*params['discriminator'], made], retain_graph=retain
  )
  (llike_at_z,) = grad(made, z, llike_at_made, retain_graph=True)
  dec_cotangent = config.gamma * llike_at_made - at_made
  dec_gradient = grad(
    made, params['decoder'], dec_cotangent, retain_graph=retain
  )
  enc_gradient = grad(
    [prior, z], params['encoder'], [torch.ones_like(prior), llike_at_z]
  )
  gradients = map(list, (enc_gradient, dec_gradient, dis_gradient))
  costs = torch.stack([real.mean(), generated.mean()]).detach()
  return costs, dict(zip(params, gradients, strict=True))


def generated_scale(config: ml_collections.ConfigDict) -> float:
  """Returns our L_GAN, of two generated streams, over one of shares."""
  return 2 / (1 - config.real_share)


class RMSProp:
  """The reference's RMSProp with weight decay, which a mask can skip.

  With `torch.optim.RMSprop` the host would decide whether to call it, and so
  wait for the device.
  """

  def __init__(
    self, network: nn.Module, *, rate: float, decay: float, weight_decay: float
  ):
    named = list(network.named_parameters())
    self._params = [p for _, p in named]
    # Kernels decay, but not those of the latent heads.
    self._decayed = [
      i
      for i, (name, p) in enumerate(named)
      if p.ndim > 1 and not name.startswith(('mean.', 'log_var.'))
    ]
    self._squares = [torch.zeros_like(p) for p in self._params]
    self._rate, self._decay = rate, decay
    self._weight_decay = weight_decay

  @torch.no_grad()
  def step(self, gradients: Tensors, *, allowed: torch.Tensor) -> None:
    """Updates parameters and mean squares where allowed is 1, not where 0."""
    torch._foreach_add_(
      [gradients[i] for i in self._decayed],
      [self._params[i] for i in self._decayed],
      alpha=2 * self._weight_decay,
    )
    new = allowed * (1 - self._decay)
    torch._foreach_mul_(self._squares, 1 - new)
    torch._foreach_addcmul_(
      self._squares, torch._foreach_mul(gradients, new), gradients
    )
    roots = torch._foreach_sqrt(self._squares)
    torch._foreach_add_(roots, 1e-8)
    updates = torch._foreach_div(gradients, roots)
    torch._foreach_mul_(updates, -self._rate * allowed)
    torch._foreach_add_(self._params, updates)


def equilibrium(
  costs: torch.Tensor, config: ml_collections.ConfigDict
) -> dict[str, torch.Tensor]:
  """Returns 1 for each network that is updated, else 0."""
  centre, margin = config.equilibrium_centre, config.equilibrium_margin
  discriminator = costs.min() >= centre - margin
  decoder = costs.max() <= centre + margin
  neither = ~(discriminator | decoder)
  return {
    'encoder': torch.ones_like(costs[0]),
    'decoder': (decoder | neither).to(costs),
    'discriminator': (discriminator | neither).to(costs),
  }


def training_step(
  config: ml_collections.ConfigDict,
  *,
  networks: torch_networks.Networks,
  autocast: Any = None,
) -> Callable[[torch.Tensor], torch.Tensor]:
  """Returns a step: uint8 [batch, colours, height, width] -> the costs."""
  optimizers = {}
  for name, network in networks._asdict().items():
    scale = generated_scale(config) if name == 'discriminator' else 1
    optimizers[name] = RMSProp(
      network,
      rate=config.optimizer.learning_rate,
      decay=config.optimizer.decay,
      weight_decay=scale * config[name].weight_decay,
    )

  def step(pixels: torch.Tensor) -> torch.Tensor:
    images, device = pixels.float() / 127.5 - 1, pixels.device
    mirrored = torch.rand(len(images), 1, 1, 1, device=device) < 0.5
    images = torch.where(mirrored, images.flip(3), images)
    noise = torch.randn(2, len(images), config.latent_size, device=device)
    costs, gradients = descend(
      networks, images, noise=noise, config=config, autocast=autocast
    )
    masks = equilibrium(costs, config)
    for name, optimizer in optimizers.items():
      optimizer.step(gradients[name], allowed=masks[name])
    return costs

  return step


def prepare(
  size: int,
  batch: int,
  *,
  mode: str = '',
  channels_last: bool = False,
  bfloat16: bool = False,
) -> contestants.Prepared:
  """Makes the step of a variant.

  Args:
    size: pixels a side.
    batch: images a step.
    mode: of torch.compile; '' for eager execution.
    channels_last: whether maps have their channels last in memory.
    bfloat16: whether the forward pass runs under autocast.
  """
  torch.backends.cuda.matmul.allow_tf32 = True
  torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = True
  config = reference.config(size, batch)
  order = torch.channels_last if channels_last else torch.contiguous_format
  place = {'device': DEVICE, 'memory_format': order}
  networks = torch_networks.build(config)
  for network in networks:
    network.to(**place)
  shape = (batch, config.data.channels, size, size)
  pixels = torch.randint(256, shape, dtype=torch.uint8).to(**place)
  autocast = torch.autocast(DEVICE, torch.bfloat16) if bfloat16 else None
  step = training_step(config, networks=networks, autocast=autocast)
  if mode:
    # One graph holds the pullbacks too, each with what it needs and no more.
    torch._dynamo.config.trace_autograd_ops = True
    step = torch.compile(step, fullgraph=True, dynamic=False, mode=mode)
  return prepared(lambda: step(pixels))


def prepared(step: Callable[[], object]) -> contestants.Prepared:
  """Wraps a step: runs use all cores, or wait for the GPU."""
  torch.set_num_threads(len(os.sched_getaffinity(0)))

  def run(steps: int) -> None:
    for _ in range(steps):
      step()
    if DEVICE == 'cuda':
      torch.cuda.synchronize()

  if DEVICE == 'cpu':
    return contestants.Prepared(run)
  return contestants.Prepared(
    run,
    torch.cuda.get_device_name(),
    allocated=torch.cuda.max_memory_allocated,
    forget=torch.cuda.reset_peak_memory_stats,
  )
