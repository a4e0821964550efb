"""The authors' rule that keeps Dis and Dec in balance."""

from __future__ import annotations

import dataclasses

import jax.numpy as jnp
from jaxtyping import Array, Bool

from vaegan_jax.core import objectives


@dataclasses.dataclass(frozen=True)
class Equilibrium:
  """Skips the update of the network that is winning.

  Dis is skipped if the mean cross entropy of real or of generated images is
  below centre - margin, Dec if either is above centre + margin. If both would
  be skipped, neither is. Enc is never skipped.

  Attributes:
    centre: in nats; a Dis that always answers 1/2 has log 2 = 0.69.
    margin: in nats.

  Source: model/aegan.py of the authors' code; not in the paper.
  """

  centre: float = 0.68
  margin: float = 0.35

  def allowed(self, terms: objectives.Terms) -> dict[str, Bool[Array, '']]:
    """Returns whether each network is updated, from the terms of a batch."""
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
