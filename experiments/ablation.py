"""What does one change of the settings cost? Each alone, with several seeds.

DIR/seed_N/CHANGE/          a run, and measures.json
DIR/references.json         the same measures of real images
DIR/samples.png             the same codes, decoded after each change (those of
                            a conditional model for held-out attributes)
DIR/reconstructions.png     held-out images, reconstructed after each change
DIR/table.md                the measures, and which of them the change moved
"""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import ml_collections

from experiments import trials
from vaegan_jax.config import build, schema
from vaegan_jax.evaluation import claims, studies
from vaegan_jax.files import atomic
from vaegan_jax.report import figures, paper_figures, tables

UNCHANGED = 'unchanged'

# Measure -> heading and digits after the point.
MEASURES = {
  'samples/frechet': ('Samples: Fréchet', 1),
  'samples/precision': ('precision', 2),
  'samples/coverage': ('coverage', 2),
  'samples/high_frequency_ratio': ('high frequencies', 2),
  'reconstructions/psnr': ('Reconstructions: PSNR, dB', 1),
  'reconstructions/feature_distance': ('feature distance', 3),
  'reconstructions/agreement': ('attributes kept', 3),
  'attribute_vectors/flipped': ('Attribute vectors: flipped', 2),
  'similarity/cosine': ('Requested attributes: cosine', 3),
}
_COLUMNS = 12


def plan(
  config: ml_collections.ConfigDict, workdir: pathlib.Path, *, seed: int
) -> list[trials.Trial]:
  """Lists the run without a change, and one with each.

  Raises:
    ValueError: for a change that cannot be compared.
  """
  del workdir  # no run needs another
  base = schema.change(config.training, {'seed': config.training.seed + seed})
  listed = [trials.Trial(UNCHANGED, base)]
  for name, settings in _changes(config).items():
    trial = trials.Trial(name, schema.change(base, settings))
    _check(trial, settings)
    listed.append(trial)
  return listed


def _changes(config: ml_collections.ConfigDict) -> dict[str, dict[str, Any]]:
  """Returns the settings of each change, by dotted name."""
  return {name: schema.flatten(some) for name, some in config.changes.items()}


def _check(trial: trials.Trial, settings: Mapping[str, Any]) -> None:
  if trial.name == UNCHANGED or '/' in trial.name:
    raise ValueError(
      f'config.changes.{trial.name}: expected a name without / and other than '
      f'{UNCHANGED!r}'
    )
  other = [n for n in settings if n.startswith('data.') or n == 'conditional']
  if other or not build.model(trial.config).llike:
    raise ValueError(
      f'config.changes.{trial.name} has {dict(settings)}: expected a model '
      'with an encoder, of the same images and attributes as the run without a '
      'change, with which it is compared'
    )


def write(
  workdir: pathlib.Path,
  config: ml_collections.ConfigDict,
  *,
  study: studies.Study,
  measured: trials.Measured,
) -> pathlib.Path:
  """Writes the pictures and table.md, and returns the path of the latter."""
  test = study.test.take(study.test.spread(_COLUMNS))
  pictures = {'samples': {}, 'reconstructions': {'Input': test.images}}
  for name, model in measured.models.items():
    given = test.with_attributes(model.attribute_names).attributes
    pictures['samples'][name] = model.sample(_COLUMNS, given)
    pictures['reconstructions'][name] = model.reconstruct(test.images, given)
  for name, rows in pictures.items():
    picture = paper_figures.labelled_rows(rows, columns=_COLUMNS)
    figures.save(workdir / f'{name}.png', picture)
  made = table(measured, changes=_changes(config))
  atomic.write_text(workdir / 'table.md', made.markdown())
  return workdir / 'table.md'


def table(
  measured: trials.Measured, *, changes: Mapping[str, Mapping[str, Any]]
) -> tables.Table:
  """Returns a row for each change, and marks the measures that it moved."""
  seeds = measured.measures
  found = {name for seed in seeds for run in seed.values() for name in run}
  shown = {name: MEASURES[name] for name in MEASURES if name in found}
  real = f'Real images ({measured.real})'
  rows = [
    [real, '', *tables.row_of_means([measured.references['real']], shown)]
  ]
  for name in (UNCHANGED, *changes):
    cells = tables.row_of_means([seed.get(name, {}) for seed in seeds], shown)
    if name != UNCHANGED:
      cells = [
        f'**{cell}**' if _moved(seeds, name, measure) else cell
        for cell, measure in zip(cells, shown, strict=True)
      ]
    rows.append([name, _settings(changes.get(name, {})), *cells])
  chance = claims.chance(len(seeds))
  by_chance = chance * len(changes) * len(shown)
  return tables.Table(
    'One change at a time',
    f'Means ± standard deviations over {len(seeds)} seeds. Bold: above the '
    f'value of {UNCHANGED!r} with every seed, or below it with every seed, and '
    'the mean difference exceeds two standard deviations; fewer than '
    f'{claims.LEAST} seeds decide nothing. So many seeds of a change without '
    f'effect are bold in {100 * chance:.0f} % of cases: '
    f'{by_chance:.0f} of this table by chance. The feature distance of another '
    'image is 1; chance keeps half of the attributes. Attribute vectors that '
    'too few images can show are left out.',
    ['', 'settings', *(heading for heading, _ in shown.values())],
    rows,
  )


def _settings(changes: Mapping[str, Any]) -> str:
  return ', '.join(
    f'{name} = {value:g}' if isinstance(value, float) else f'{name} = {value}'
    for name, value in changes.items()
  )


def _moved(seeds: Sequence[claims.Measures], name: str, measure: str) -> bool:
  """Whether all seeds agree that a change raised or lowered a measure."""
  claim = claims.Claim(
    f'{name} changes {measure}',
    '',
    greater=claims.Quantity(name, measure),
    lesser=claims.Quantity(UNCHANGED, measure),
    margin=0.0,
    detail='',
  )
  finding = claims.decide(claim, seeds)
  # A change that changes nothing is never greater, which fails a claim.
  return finding.verdict != 'undecided' and all(finding.values)


# (config, workdir, notice=...) as trials.run; a run that diverges has no
# measures, and the table counts the seeds that have.
run = functools.partial(trials.run, plan=plan, report=write, diverging=True)
