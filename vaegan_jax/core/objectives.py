"""The paper's four models, what is minimised, and the terms that come of it."""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from vaegan_jax.core import architecture, losses, streams


class Model(NamedTuple):
  """Which parts of the VAE/GAN one of the paper's models has.

  Attributes:
    title: as the paper writes it.
    learned: the networks that descend something.
    llike: where L_llike compares x with x_tilde, in 'pixels' or in 'dis_l';
      None: there is no x_tilde, as there is no encoder.
    adversarial: whether there is L_GAN, and with it x_p.
    given: a network taken from another run, which stays as it is.
  """

  title: str
  learned: tuple[str, ...]
  llike: str | None
  adversarial: bool
  given: str | None = None

  def networks(self) -> tuple[str, ...]:
    """Names the networks of this model."""
    return self.learned + ((self.given,) if self.given else ())

  def judged(self) -> tuple[str, ...]:
    """Names the streams that may take part in L_GAN."""
    if not self.adversarial:
      return ()
    return ('x', 'x_tilde', 'x_p') if self.llike else ('x', 'x_p')


MODELS = {
  'vae': Model('VAE', ('encoder', 'decoder'), 'pixels', False),
  'vae_dis': Model(
    'VAE_Dis_l', ('encoder', 'decoder'), 'dis_l', False, 'discriminator'
  ),
  'gan': Model('GAN', ('decoder', 'discriminator'), None, True),
  'vaegan': Model('VAE/GAN', architecture.NAMES, 'dis_l', True),
}


@dataclasses.dataclass(frozen=True)
class Objective:
  """Says what is minimised.

  Attributes:
    model: one of MODELS.
    gamma: weight of L_llike against L_GAN, in the decoder's objective alone,
      and only where there is L_GAN.
    real_weight: weight of -log Dis(x) in the discrimination; 1 in the paper.
    reconstructions: whether L_GAN has a term for x_tilde.
    epsilon: added inside the logarithms of L_GAN.
    non_saturating: whether Dec descends -log Dis of what it generates instead
      of log(1 - Dis), which has the same fixed point and a larger gradient
      while Dis is winning.
    joint_normalisation: whether the streams of a network share one batch
      normalisation, as in the authors' code, or each has its own.
  """

  model: Model = MODELS['vaegan']
  gamma: float = 1e-5
  real_weight: float = 1.0
  reconstructions: bool = True
  epsilon: float = 0.0
  non_saturating: bool = False
  joint_normalisation: bool = True

  def judged(self) -> tuple[str, ...]:
    """Names the streams of L_GAN."""
    judged = self.model.judged()
    return (
      judged
      if self.reconstructions
      else tuple(s for s in judged if s != 'x_tilde')
    )

  def weight(self) -> float:
    """Gives the weight of L_llike in the decoder's objective."""
    return self.gamma if self.model.adversarial else 1.0

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

  None stands for what a model does not have.

  Attributes:
    prior: L_prior, summed over the latent axis.
    llike: L_llike without its constant, summed over pixels and colours, or
      over the features of Dis_l.
    real: -log Dis(x).
    generated: -log(1 - Dis), the mean over x_tilde and x_p.
    generation: what L_GAN makes Dec descend.
  """

  prior: Float[Array, ''] | None = None
  llike: Float[Array, ''] | None = None
  real: Float[Array, ''] | None = None
  generated: Float[Array, ''] | None = None
  generation: Float[Array, ''] | None = None

  def present(self) -> dict[str, Array]:
    """Gives the terms that the model has, by name."""
    named = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
    return {name: term for name, term in named.items() if term is not None}


# Nats above which a latent dimension counts as active.
ACTIVE = 0.01


@struct.dataclass
class Diagnostics:
  """What tells of a collapse: means over the batch that nothing descends.

  None stands for what a model does not have.

  Attributes:
    prior: what each latent dimension adds to L_prior, in nats.
    power: the square of a feature of Dis_l(x).
  """

  prior: Float[Array, ' latent'] | None = None
  power: Float[Array, ''] | None = None

  def metrics(self) -> dict[str, Array]:
    """Computes what is logged.

    To be called on the means of the whole batch: neither a threshold nor a
    root may be averaged over devices.

    Returns:
      active_dimensions: how many latent dimensions tell more than ACTIVE nats
        of an image, float32; kin of the active units of Burda et al. (2016),
        which are those whose mean code varies by more than 0.01 over the data.
        Ours counts what L_prior charges, a narrowed variance as well, and
        sees one batch.
      feature_scale: root mean square of Dis_l(x), in the features' own unit.
    """
    metrics = {}
    if self.prior is not None:
      active = (self.prior > ACTIVE).sum()
      metrics['active_dimensions'] = active.astype(jnp.float32)
    if self.power is not None:
      metrics['feature_scale'] = jnp.sqrt(self.power)
    return metrics
