"""When the adversarial networks may move: the authors' balancing rule."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
from jaxtyping import Array, Bool

from vaegan_jax.core import objectives


@dataclasses.dataclass(frozen=True)
class Equilibrium:
  """The authors' rule that lets neither Dis nor Dec run away.

  Dis is skipped while the mean cross entropy of its real or of its generated
  images is below centre - margin; Dec while either is above centre + margin;
  if both would be, neither is. Enc is never skipped.

  Attributes:
    centre: in nats; log 2 = 0.69 is what a Dis pays that cannot tell.
    margin: in nats.

  Source: model/aegan.py of the authors' code; not in the paper.
  """

  centre: float = 0.68
  margin: float = 0.35

  def allowed(self, terms: objectives.Terms) -> dict[str, Bool[Array, '']]:
    """Says which networks may be updated after a batch."""
    present = terms.present()
    costs = jnp.stack([present['real'], present['generated']])
    discriminator = costs.min() >= self.centre - self.margin
    decoder = costs.max() <= self.centre + self.margin
    neither = ~(discriminator | decoder)
    return {
      'encoder': jnp.array(True),
      'decoder': decoder | neither,
      'discriminator': discriminator | neither,
    }
