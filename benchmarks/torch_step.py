"""The same training step in PyTorch: equal work, as plain and fast as it goes.

Nothing waits for the host: the equilibrium rule is a mask. The tests hold
gradients and updates to ours. Norms of the gradients, which our step also
reports, are left out.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import ml_collections
import torch
from torch import nn

from benchmarks import contestants, reference, torch_descent, torch_networks


def generated_scale(config: ml_collections.ConfigDict) -> float:
  """Gives our L_GAN, of two generated streams, over one of shares."""
  return 2 / (1 - config.real_share)


def objective(config: ml_collections.ConfigDict) -> torch_descent.Objective:
  """Gives the objective of a config like the reference's."""
  real_weight = config.real_share * generated_scale(config)
  return torch_descent.Objective(config.gamma, real_weight, config.log_epsilon)


class RMSProp:
  """The reference's RMSProp with weight decay, which a mask can skip.

  `torch.optim.RMSprop` would do, but a host that decides whether to call it
  must wait for the device.
  """

  def __init__(
    self, network: nn.Module, *, rate: float, decay: float, weight_decay: float
  ):
    named = dict(network.named_parameters())
    self._params = list(named.values())
    self._decayed = [
      i for i, (n, p) in enumerate(named.items()) if kernel(n, p)
    ]
    self._squares = [torch.zeros_like(p) for p in self._params]
    self._rate, self._decay = rate, decay
    self._weight_decay = weight_decay

  @torch.no_grad()
  def step(
    self, gradients: torch_descent.Tensors, *, allowed: torch.Tensor
  ) -> None:
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


def kernel(name: str, parameter: torch.Tensor) -> bool:
  """Says whether a parameter is a kernel, but not of the latent heads."""
  return parameter.ndim > 1 and not name.startswith(('mean.', 'log_var.'))


def allowed(
  costs: torch.Tensor, config: ml_collections.ConfigDict
) -> dict[str, torch.Tensor]:
  """Returns which networks may move, 1 or 0: core.equilibrium.Equilibrium."""
  centre, margin = config.equilibrium_centre, config.equilibrium_margin
  discriminator = costs.min() >= centre - margin
  decoder = costs.max() <= centre + margin
  neither = ~(discriminator | decoder)
  return {
    'encoder': torch.ones_like(costs[0]),
    'decoder': (decoder | neither).to(costs),
    'discriminator': (discriminator | neither).to(costs),
  }


class Training:
  """Owns the networks and optimizers of a run, and does its steps."""

  def __init__(
    self,
    config: ml_collections.ConfigDict,
    *,
    networks: torch_networks.Networks,
    autocast: Any = None,
  ):
    self.networks = networks
    self._config, self._autocast = config, autocast
    self._objective = objective(config)
    self._optimizers = {
      name: RMSProp(
        network,
        rate=config.optimizer.learning_rate,
        decay=config.optimizer.decay,
        weight_decay=config[name].weight_decay
        * (generated_scale(config) if name == 'discriminator' else 1),
      )
      for name, network in networks._asdict().items()
    }

  def step(self, pixels: torch.Tensor) -> torch.Tensor:
    """Does a step on uint8 [batch, colours, height, width]; gives the costs."""
    images = pixels.float() / 127.5 - 1
    mirrored = torch.rand(len(images), 1, 1, 1, device=images.device) < 0.5
    images = torch.where(mirrored, images.flip(3), images)
    shape = (2, len(images), self._config.latent_size)
    descent = torch_descent.descend(
      self.networks,
      images,
      noise=torch.randn(shape, device=images.device),
      objective=self._objective,
      autocast=self._autocast,
    )
    masks = allowed(descent.costs, self._config)
    for name, gradients in descent.gradients.items():
      self._optimizers[name].step(gradients, allowed=masks[name])
    return descent.costs


def load() -> str:
  """Gets PyTorch ready, and says on what it runs: 'cpu' or 'gpu'."""
  torch.set_num_threads(len(os.sched_getaffinity(0)))
  if not torch.cuda.is_available():
    return 'cpu'
  torch.backends.cuda.matmul.allow_tf32 = True
  torch.backends.cudnn.allow_tf32 = True
  torch.backends.cudnn.benchmark = True
  return 'gpu'


def device() -> str:
  """Names the accelerator."""
  return torch.cuda.get_device_name()


def prepare(
  size: int,
  batch: int,
  *,
  mode: str = '',
  channels_last: bool = False,
  bfloat16: bool = False,
) -> contestants.Prepared:
  """Makes the step of a variant, ready to be timed.

  Args:
    size: pixels a side.
    batch: images a step.
    mode: of torch.compile; '' leaves the step as it is.
    channels_last: the order of the maps in memory.
    bfloat16: whether the forward pass runs under autocast.
  """
  device = 'cuda' if torch.cuda.is_available() else 'cpu'
  before = torch.cuda.memory_allocated() if device == 'cuda' else 0
  order = torch.channels_last if channels_last else torch.contiguous_format
  config = reference.config(size, batch)
  networks = torch_networks.build(config)
  for network in networks:
    network.to(device=device, memory_format=order)
  training = Training(
    config,
    networks=networks,
    autocast=torch.autocast(device, torch.bfloat16) if bfloat16 else None,
  )
  pixels = torch.randint(
    256, (batch, config.data.channels, size, size), dtype=torch.uint8
  ).to(device=device, memory_format=order)
  step = training.step
  if mode:
    # The one graph holds the pulls too, each with what it needs and no more.
    torch._dynamo.config.trace_autograd_ops = True
    step = torch.compile(step, fullgraph=True, dynamic=False, mode=mode)

  def run(steps: int) -> None:
    for _ in range(steps):
      step(pixels)
    wait()

  return contestants.Prepared(run, allocated=allocated_since(before))


def wait() -> None:
  """Waits until the device is done."""
  if torch.cuda.is_available():
    torch.cuda.synchronize()


def allocated_since(before: int) -> Callable[[], int] | None:
  """Gives what tells the most memory taken since `before`, on a GPU."""
  if not torch.cuda.is_available():
    return None
  torch.cuda.reset_peak_memory_stats()
  return lambda: torch.cuda.max_memory_allocated() - before
