"""Detects, from logged metrics, that a part of a run has collapsed.

Such a run goes on, and its losses may look quiet: the signs are logged as
warnings and shown in the report, but stop nothing.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from vaegan_jax.core import metrics, objectives

Row = Mapping[str, Any]

# Steps to look back: in healthy runs, at least a third of them are updates.
WINDOW = 500
_FEW = 5  # rows to judge by, and rows that show how the run began
_RARELY = 0.05  # updates per step
_SHRUNK = 0.01  # of the scale at the start
# Then L_llike in the paper's 16,384 features is below 0.001 nats.
_NEGLIGIBLE = 1e-4
_DEAD = 0.05  # of the latent dimensions


class Collapse(NamedTuple):
  """A sign of collapse: the numbers that show it, its effect, what to try."""

  name: str
  seen: str
  meaning: str
  remedy: str

  def __str__(self) -> str:
    return f'{self.name}. {self.seen} {self.meaning} {self.remedy}'


# Meaning and remedy for a network that the equilibrium rule skips.
_SKIPPED = {
  'decoder': (
    'The equilibrium rule skips Dec until Dis catches up, which it does not: '
    'Dec no longer learns.',
    'Let Dis learn faster (config.discriminator.learning_rate_scale above 1, '
    'less config.discriminator.weight_decay), or widen the band '
    '(config.equilibrium_margin).',
  ),
  'discriminator': (
    'The equilibrium rule skips Dis until Dec catches up, which it does not: '
    'Dec and L_llike depend on a Dis that no longer changes.',
    'Slow Dis down (config.discriminator.learning_rate_scale below 1), give '
    'Dec a larger gradient while Dis is winning (config.non_saturating=True), '
    'or widen the band (config.equilibrium_margin).',
  ),
}


def find(rows: Sequence[Row], *, latent: int) -> list[Collapse]:
  """Returns the signs of collapse that a run shows at its last logged row.

  A run of fewer than WINDOW steps and ten rows shows none.

  Args:
    rows: of metrics.jsonl, in order. Metrics that a model lacks are ignored.
    latent: the size of a code.
  """
  return [*_skipped(rows), *_shrunk(rows), *_dead(rows, latent)]


def relevant(rows: Sequence[Row]) -> list[Row]:
  """Returns the rows that `find` needs, now and after more rows follow."""
  return [*rows[:_FEW], *rows[max(_FEW, _start(rows)) :]]


def _start(rows: Sequence[Row]) -> int:
  """Returns the index of the last row WINDOW steps old, or of the last few."""
  old = sum(row['step'] <= _horizon(rows) for row in rows)
  return max(0, min(old - 1, len(rows) - _FEW))


def _horizon(rows: Sequence[Row]) -> int:
  return rows[-1]['step'] - WINDOW if rows else -WINDOW


def _skipped(rows: Sequence[Row]) -> Iterator[Collapse]:
  for network, advice in _SKIPPED.items():
    updates = metrics.UPDATES[network].name
    counts = [(0, 0), *((r['step'], r[updates]) for r in rows if updates in r)]
    if _horizon(rows) < 0 or counts[-1][0] != rows[-1]['step']:
      continue
    first = [count for count in counts if count[0] <= _horizon(rows)][-1]
    steps, done = (b - a for a, b in zip(first, counts[-1], strict=True))
    seen = f'{done:,.0f} of the last {steps:,} steps updated it.'
    if done < _RARELY * steps:
      yield Collapse(f'The {network} is hardly ever updated', seen, *advice)


def _shrunk(rows: Sequence[Row]) -> Iterator[Collapse]:
  compared = _values(rows[-1:], metrics.LLIKE)  # a GAN compares no features
  first = _values(rows[:_FEW], metrics.FEATURE_SCALE)
  last = _values(rows[-_FEW:], metrics.FEATURE_SCALE)
  if len(rows) < 2 * _FEW or not (compared and first and last):
    return
  before, now = statistics.median(first), statistics.median(last)
  if now < max(_SHRUNK * before, _NEGLIGIBLE):
    yield Collapse(
      'The features of Dis_l have shrunk',
      f'Their scale is {now:.2g}, and was {before:.2g} at step '
      f'{rows[0]["step"]:,}.',
      'L_llike compares an image with its reconstruction in these features '
      'and vanishes with them. Only L_prior then trains Enc, and '
      'reconstructions no longer resemble their images.',
      'Decay the weights of Dis less (config.discriminator.weight_decay), slow '
      'it down (config.discriminator.learning_rate_scale), or compare in an '
      'earlier layer (config.discriminator.layer).',
    )


def _dead(rows: Sequence[Row], latent: int) -> Iterator[Collapse]:
  recent = rows[_start(rows) :]
  active = _values(recent, metrics.ACTIVE_DIMENSIONS)
  if _horizon(rows) < 0 or len(active) < _FEW or max(active) >= _DEAD * latent:
    return
  most = f'at most {max(active):.0f}' if max(active) else 'none'
  yield Collapse(
    'The latent dimensions are dead',
    f'Since step {recent[0]["step"]:,}, {most} of {latent} held more than '
    f'{objectives.ACTIVE} nats about an image.',
    'Codes hold almost no information about their images, so all '
    'reconstructions look alike (posterior collapse). Some inactive dimensions '
    'are normal: a model leaves those that it does not need at the prior.',
    'L_llike is too weak against L_prior. Compare in a layer with more '
    'features (config.discriminator.layer), weight L_llike more in Dec (a '
    'larger config.gamma), or lower config.optimizer.learning_rate.',
  )


def _values(rows: Sequence[Row], metric: metrics.Metric) -> list[float]:
  """Returns a metric of the rows that have it."""
  return [r[metric.name] for r in rows if r.get(metric.name) is not None]
