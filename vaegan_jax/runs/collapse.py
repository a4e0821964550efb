"""Signs, in the logged metrics, that a part of a run has collapsed.

Such a run goes on, and its losses may look quiet: the quieter, the worse. What
is found here stops nothing; it is logged, and shown in the report.
"""

from __future__ import annotations

import dataclasses
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

Row = Mapping[str, Any]

# Steps to look back. The share of updates of a healthy run was never seen
# below a third in as many; at its start Dis may pause for some hundred.
WINDOW = 500
# Rows at the least, where few are logged; and those that say how it began.
_FEW = 5
_RARELY = 0.05  # updates a step
_SHRUNK = 0.01  # of the scale at the start
# At this scale the 16,384 features of the paper's Dis_l give an L_llike below
# 0.001 nats, where L_prior has tens.
_NOTHING = 1e-4
_DEAD = 0.05  # of the latent dimensions


@dataclasses.dataclass(frozen=True)
class Collapse:
  """One sign of collapse.

  Attributes:
    name: what it is, the same whenever it is found.
    seen: the figures that show it.
    meaning: what it does to the run.
    remedy: what to try.
  """

  name: str
  seen: str
  meaning: str
  remedy: str

  def __str__(self) -> str:
    return f'{self.name}. {self.seen} {self.meaning} {self.remedy}'


_WHY_SKIPPED = {
  'decoder': (
    'The equilibrium rule skips Dec while Dis is mistaken too often: Dis '
    'should catch up, and does not. So Dec learns nothing, and pictures stay '
    'as they are.',
    'Let Dis learn faster (config.discriminator.learning_rate_scale above 1, '
    'less config.discriminator.weight_decay), or widen the band '
    '(config.equilibrium_margin).',
  ),
  'discriminator': (
    'The equilibrium rule skips Dis while it tells real from generated images '
    'too well: Dec should catch up, and does not. Dec and L_llike then rely on '
    'a Dis that no longer changes.',
    'Let Dis learn slower (config.discriminator.learning_rate_scale below 1), '
    'give Dec a gradient while Dis is winning (config.non_saturating=True), '
    'or widen the band (config.equilibrium_margin).',
  ),
}
_WHY_SHRUNK = (
  'L_llike compares an image with its reconstruction in these features: it '
  'fades with them, whatever the images look like. Enc then hears of L_prior '
  'alone, and reconstructions lose their likeness.',
  'Dis itself does not notice, as it normalises what follows: decay its '
  'weights less (config.discriminator.weight_decay), let it learn slower '
  '(config.discriminator.learning_rate_scale), or compare in an earlier layer '
  '(config.discriminator.layer).',
)
_WHY_DEAD = (
  'Codes say next to nothing of their images, so all reconstructions look '
  'alike (posterior collapse). Some inactive dimensions are normal: those that '
  'a model has no use for stay at the prior, at no cost. Here hardly any is '
  'left.',
  'L_llike is too weak against L_prior: look at its curve and at the scale of '
  'the features. Compare in a layer with more features '
  '(config.discriminator.layer), let Dec care more for it (a larger '
  'config.gamma), or give Enc time with a smaller '
  'config.optimizer.learning_rate.',
)


def find(rows: Sequence[Row], *, latent: int) -> list[Collapse]:
  """Finds the signs of collapse that a run shows by its last logged row.

  A run of fewer than WINDOW steps and 2 * 5 rows is too young for any.

  Args:
    rows: of metrics.jsonl, in order; what a model does not log is not missed.
    latent: the size of a code.
  """
  found = [_skipped(rows, name) for name in _WHY_SKIPPED]
  found += [_shrunk(rows), _dead(rows, latent)]
  return [collapse for collapse in found if collapse is not None]


def relevant(rows: Sequence[Row]) -> list[Row]:
  """Keeps the rows that `find` looks at, now and after more have come."""
  return [*rows[:_FEW], *rows[max(_FEW, _start(rows)) :]]


def _start(rows: Sequence[Row]) -> int:
  """Finds the last row that is WINDOW steps old, or one of a FEW rows."""
  old = [i for i, row in enumerate(rows) if row['step'] <= _horizon(rows)]
  return max(0, min(old[-1] if old else 0, len(rows) - _FEW))


def _horizon(rows: Sequence[Row]) -> int:
  return rows[-1]['step'] - WINDOW if rows else 0


def _skipped(rows: Sequence[Row], network: str) -> Collapse | None:
  key = f'{network}/updates'
  if _horizon(rows) < 0 or not _logged(rows[-1:], key):
    return None
  # Nothing was updated before the first step.
  before = [{'step': 0, key: 0}, *rows]
  base = [
    row for row in before if row['step'] <= _horizon(rows) and key in row
  ][-1]
  steps = rows[-1]['step'] - base['step']
  updates = rows[-1][key] - base[key]
  if not steps or updates >= _RARELY * steps:
    return None
  meaning, remedy = _WHY_SKIPPED[network]
  return Collapse(
    f'The {network} is hardly ever updated',
    f'{updates:,.0f} of the last {steps:,} steps updated it.',
    meaning,
    remedy,
  )


def _shrunk(rows: Sequence[Row]) -> Collapse | None:
  # Of a GAN no one compares features.
  if len(rows) < 2 * _FEW or not _logged(rows[-1:], 'llike'):
    return None
  first, last = (
    _logged(part, 'feature_scale') for part in (rows[:_FEW], rows[-_FEW:])
  )
  if not first or not last:
    return None
  before, now = statistics.median(first), statistics.median(last)
  if now >= _SHRUNK * before and now >= _NOTHING:
    return None
  return Collapse(
    'The features of Dis_l have shrunk',
    f'Their scale is {now:.2g}, and was {before:.2g} at step '
    f'{rows[0]["step"]:,}.',
    *_WHY_SHRUNK,
  )


def _dead(rows: Sequence[Row], latent: int) -> Collapse | None:
  recent = rows[_start(rows) :]
  counts = _logged(recent, 'active_dimensions')
  if _horizon(rows) < 0 or len(counts) < _FEW or max(counts) >= _DEAD * latent:
    return None
  most = f'at most {max(counts):.0f}' if max(counts) else 'none'
  return Collapse(
    'The latent dimensions are dead',
    f'Since step {recent[0]["step"]:,} {most} of {latent} told more than '
    '0.01 nats of an image.',
    *_WHY_DEAD,
  )


def _logged(rows: Sequence[Row], key: str) -> list[float]:
  """Collects a key of the rows that have it."""
  return [row[key] for row in rows if row.get(key) is not None]
