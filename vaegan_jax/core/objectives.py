"""The paper's four models (recalled), what each minimises, and its terms."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple, TypeAlias

import jax.numpy as jnp
from flax import struct
from jaxtyping import Array, Float

from vaegan_jax.core import architecture, losses, metrics

# The logits of Dis for x, x_tilde and x_p, by these names.
Logits: TypeAlias = Mapping[str, Float[Array, ' batch']]


class ModelSpec(NamedTuple):
  """The parts of the VAE/GAN that one of the paper's models has.

  Attributes:
    title: the paper's name of the model.
    learned: the networks with an objective.
    llike: where L_llike compares x with x_tilde, in 'pixels' or in 'dis_l';
      None for a model without an encoder, which has no x_tilde.
    adversarial: whether the model has L_GAN, and with it x_p.
    given: a network taken from another run and kept fixed.
  """

  title: str
  learned: tuple[str, ...]
  llike: str | None
  adversarial: bool
  given: str | None = None

  def networks(self) -> tuple[str, ...]:
    """Returns the names of the networks of this model."""
    return self.learned + ((self.given,) if self.given else ())


MODELS = {
  'vae': ModelSpec('VAE', ('encoder', 'decoder'), 'pixels', False),
  'vae_dis': ModelSpec(
    'VAE_Dis_l', ('encoder', 'decoder'), 'dis_l', False, 'discriminator'
  ),
  'gan': ModelSpec('GAN', ('decoder', 'discriminator'), None, True),
  'vaegan': ModelSpec('VAE/GAN', architecture.NAMES, 'dis_l', True),
}


@dataclasses.dataclass(frozen=True)
class Objective:
  """What is minimised.

  Attributes:
    model: one of MODELS.
    gamma: weight of L_llike against L_GAN in the decoder's objective; unused by
      models without L_GAN.
    real_weight: weight of -log Dis(x) in L_GAN; 1 in the paper.
    reconstructions_judged: whether L_GAN has a term for x_tilde.
    epsilon: added inside the logarithms of L_GAN.
    non_saturating: whether Dec ascends log Dis of what it made instead of
      L_GAN: the same fixed point, and a larger gradient while Dis is winning.
    joint_normalisation: whether the streams of a network share one batch
      normalisation, as in the authors' code, or each has its own.
    prior_weight: weight of L_prior in the encoder's objective; 1 in the paper.
    unit_features: whether L_llike divides each channel of Dis_l by its root
      mean square over Dis_l(x), a constant, so that the scale of the features,
      which Dis is free to choose, does not set the scale of L_llike.
    pixel_weight: weight of half the squared error of pixels, which L_llike adds
      to that of Dis_l; without effect on a VAE, whose L_llike is that error.
    relative_gamma: whether gamma is the ratio of the root mean squares of the
      two gradients at the images that Dec made, L_llike's to L_GAN's.
    gan_reaches_encoder: whether Enc ascends L_GAN as Dec does, which algorithm
      1 rules out; unused by models without both losses.
    llike_reaches_discriminator: whether Dis descends L_llike as well, which
      algorithm 1 rules out; unused by models without both losses.
  """

  model: ModelSpec = MODELS['vaegan']
  gamma: float = 1e-5
  real_weight: float = 1.0
  reconstructions_judged: bool = True
  epsilon: float = 0.0
  non_saturating: bool = False
  joint_normalisation: bool = True
  prior_weight: float = 1.0
  unit_features: bool = False
  pixel_weight: float = 0.0
  relative_gamma: bool = False
  gan_reaches_encoder: bool = False
  llike_reaches_discriminator: bool = False

  def judged(self) -> tuple[str, ...]:
    """Returns the names of the streams in L_GAN, x first."""
    if not self.model.adversarial:
      return ()
    with_x_tilde = self.model.llike and self.reconstructions_judged
    return ('x', 'x_tilde', 'x_p') if with_x_tilde else ('x', 'x_p')

  def llike_weight(self) -> float:
    """Returns the weight of L_llike in the decoder's objective."""
    return self.gamma if self.model.adversarial else 1.0

  def gan(self, logits: Logits) -> Float[Array, '']:
    """Computes L_GAN, the cross entropy of Dis, in nats, summed over the batch.

    real_weight * -log Dis(x) - log(1 - Dis(x_tilde)) - log(1 - Dis(x_p))
    """
    return self.real_weight * self._real(logits) + self._generated(logits).sum()

  def fooling(self, logits: Logits) -> Float[Array, '']:
    """Computes log Dis(x_tilde) + log Dis(x_p), in nats, summed like L_GAN."""
    return -jnp.stack(
      [
        losses.real(logits[s], epsilon=self.epsilon).sum()
        for s in self.judged()[1:]
      ]
    ).sum()

  def gan_terms(self, logits: Logits) -> dict[str, Float[Array, '']]:
    """Computes the fields of Terms that L_GAN has, summed over the batch."""
    ascended = self.fooling if self.non_saturating else self.gan
    return {
      'real': self._real(logits),
      'generated': self._generated(logits).mean(),
      'generation': -ascended(logits),
    }

  def diagnose(
    self, posterior: tuple[Array, Array] | None, dis_l: Mapping[str, Array]
  ) -> Diagnostics:
    """Computes the diagnostics of a batch from q(z|x) and Dis_l(x)."""
    prior = power = None
    if posterior is not None:
      prior = losses.prior_by_dimension(*posterior).mean(0)
    if 'discriminator' in self.model.networks():
      wide = jnp.promote_types(dis_l['x'].dtype, jnp.float32)
      power = jnp.square(dis_l['x'].astype(wide)).mean()
    return Diagnostics(prior, power)

  def _real(self, logits: Logits) -> Float[Array, '']:
    return losses.real(logits['x'], epsilon=self.epsilon).sum()

  def _generated(self, logits: Logits) -> Float[Array, ' streams']:
    return jnp.stack(
      [
        losses.generated(logits[s], epsilon=self.epsilon).sum()
        for s in self.judged()[1:]
      ]
    )


@struct.dataclass
class Terms:
  """The losses of one batch, in nats per image, averaged over the batch.

  None stands for a term that a model does not have.

  Attributes:
    prior: L_prior, summed over the latent axis.
    llike: L_llike without its constant, summed over pixels and channels, or
      over the features of Dis_l.
    real: -log Dis(x).
    generated: -log(1 - Dis), the mean over x_tilde and x_p.
    generation: what Dec descends because of L_GAN.
  """

  prior: Float[Array, ''] | None = None
  llike: Float[Array, ''] | None = None
  real: Float[Array, ''] | None = None
  generated: Float[Array, ''] | None = None
  generation: Float[Array, ''] | None = None

  def present(self) -> dict[str, Float[Array, '']]:
    """Returns the terms that the model has, by name."""
    named = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
    return {name: term for name, term in named.items() if term is not None}


# A latent dimension that adds more than this to L_prior, in nats, is active.
ACTIVE = 0.01


@struct.dataclass
class Diagnostics:
  """Signs of a collapse: means over the batch that no loss contains.

  None stands for what a model does not have.

  Attributes:
    prior: what each latent dimension adds to L_prior, in nats.
    power: the mean square of the features Dis_l(x).
  """

  prior: Float[Array, ' latent'] | None = None
  power: Float[Array, ''] | None = None

  def metrics(self) -> dict[str, Float[Array, '']]:
    """Computes the logged metrics.

    Call it on the means of the whole batch: neither a threshold nor a root may
    be averaged over devices.

    Returns:
      active_dimensions: the number of latent dimensions that add more than
        ACTIVE nats to L_prior, float32. It resembles the active units of Burda
        et al. (2016), whose mean code varies by more than 0.01 over the data;
        this one also counts a narrowed variance, and sees one batch.
      feature_scale: root mean square of Dis_l(x), in the features' own unit.
    """
    logged = {}
    if self.prior is not None:
      active = (self.prior > ACTIVE).sum()
      logged[metrics.ACTIVE_DIMENSIONS.name] = active.astype(jnp.float32)
    if self.power is not None:
      logged[metrics.FEATURE_SCALE.name] = jnp.sqrt(self.power)
    return logged
