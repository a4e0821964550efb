"""The metrics that training logs, each defined once.

The report, the table of runs and the warnings of collapse derive names, units
and figures from these definitions.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

NETWORKS = ('encoder', 'decoder', 'discriminator')


@dataclasses.dataclass(frozen=True)
class Panel:
  """A figure that shows one or several metrics against the step.

  Attributes:
    name: identifies the figure; part of its file name.
    title: stands above the figure.
    log: whether the axis is logarithmic wherever all values are positive.
  """

  name: str
  title: str
  log: bool = False


@dataclasses.dataclass(frozen=True)
class Metric:
  """A scalar that a run logs.

  Attributes:
    name: key in metrics.jsonl and tag in TensorBoard.
    title: label of its line in a figure.
    unit: '' for a pure number.
    network: the network that a model needs to have this metric; '' for none.
    learned: whether that network must learn, rather than be given.
    panel: the figure that shows it, if any.
  """

  name: str
  title: str
  unit: str = ''
  network: str = ''
  learned: bool = True
  panel: Panel | None = None


_CROSS_ENTROPIES = Panel('discriminator', 'Cross entropies of Dis')
_GRADIENT_NORMS = Panel('gradient_norms', 'Norms of the gradients', log=True)
SHARE_OF_UPDATES = Panel('updates', 'Share of steps that updated a network')

# Losses are means over the batch, per image.
REAL = Metric('real', 'real', 'nats', 'discriminator', panel=_CROSS_ENTROPIES)
GENERATED = Metric(
  'generated', 'generated', 'nats', 'discriminator', panel=_CROSS_ENTROPIES
)
GENERATION = Metric(
  'generation',
  'the part of L_GAN in what Dec descends',
  'nats',
  'discriminator',
  panel=Panel('generation', 'Generation: what Dec descends of L_GAN'),
)
PRIOR = Metric(
  'prior',
  'L_prior',
  'nats',
  'encoder',
  panel=Panel('prior', 'Prior: KL from N(0, I)'),
)
LLIKE = Metric(
  'llike',
  'L_llike',
  'nats',
  'encoder',
  panel=Panel('llike', 'Llike: half squared distance'),
)
ACTIVE_DIMENSIONS = Metric(
  'active_dimensions',
  'active dimensions',
  network='encoder',
  panel=Panel('active_dimensions', 'Latent dimensions in use'),
)
FEATURE_SCALE = Metric(
  'feature_scale',
  'scale of Dis_l(x)',
  network='discriminator',
  learned=False,
  panel=Panel('feature_scale', 'Scale of Dis_l(x), root mean square'),
)
LEARNING_RATE = Metric(
  'learning_rate',
  'learning rate',
  panel=Panel('learning_rate', 'Learning rate'),
)
# By network: the norm of the gradient of its objective, whether the step
# updated it (1 or 0), and the number of updates so far.
GRADIENT_NORM = {
  n: Metric(f'{n}/gradient_norm', n, network=n, panel=_GRADIENT_NORMS)
  for n in NETWORKS
}
UPDATED = {n: Metric(f'{n}/updated', n, network=n) for n in NETWORKS}
UPDATES = {
  n: Metric(f'{n}/updates', n, network=n, panel=SHARE_OF_UPDATES)
  for n in NETWORKS
}

# In the order of the figures.
METRICS = (
  REAL,
  GENERATED,
  GENERATION,
  PRIOR,
  LLIKE,
  ACTIVE_DIMENSIONS,
  FEATURE_SCALE,
  *GRADIENT_NORM.values(),
  LEARNING_RATE,
  *UPDATED.values(),
  *UPDATES.values(),
)
# Shown where there is room for a few.
SUMMARY = (PRIOR, LLIKE, REAL, GENERATED)


def logged(
  *, learned: Collection[str], given: str | None = None
) -> tuple[Metric, ...]:
  """Returns the metrics that a run logs.

  Args:
    learned: the networks that the model trains.
    given: the network that it takes from another run, if any.
  """
  return tuple(
    metric
    for metric in METRICS
    if not metric.network
    or metric.network in learned
    or (metric.network == given and not metric.learned)
  )


def panels(shown: Collection[Metric]) -> tuple[Panel, ...]:
  """Returns the figures that show any of some metrics, each once."""
  found = (metric.panel for metric in shown if metric.panel is not None)
  return tuple(dict.fromkeys(found))
