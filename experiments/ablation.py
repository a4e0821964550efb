"""What does one change of the settings cost? Each alone, with several seeds.

DIR/seed_N/CHANGE/          a run, and measures.json
DIR/references.json         the same measures of real images
DIR/samples.png             the same codes, decoded after each change
DIR/reconstructions.png     held-out images, reconstructed after each change
DIR/table.md                the measures, and which of them the change moved
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Sequence

import ml_collections

from experiments import trials
from vaegan_jax.config import schema
from vaegan_jax.distributed import preemption
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
}
_COLUMNS = 12


def run(
  config: ml_collections.ConfigDict,
  workdir: str | os.PathLike,
  *,
  notice: preemption.Notice | None = None,
) -> pathlib.Path:
  """Trains and measures a model without and with each change.

  Args:
    config: as in experiments/configs/deviations.py.
    workdir: the folder of all runs; created if missing.
    notice: set when the process must end.

  Returns:
    the path of the table.

  Raises:
    ValueError: for settings that cannot work, before anything is trained.
    lock.Locked: if another process uses the folder.
  """
  return trials.run(config, workdir, plan=plan, report=write, notice=notice)


def plan(
  config: ml_collections.ConfigDict, workdir: pathlib.Path, *, seed: int
) -> list[trials.Trial]:
  """Lists the run without a change, and one with each."""
  del workdir  # no run needs another
  base = schema.change(config.training, {'seed': config.training.seed + seed})
  return [
    trials.Trial(name, schema.change(base, changes))
    for name, changes in {UNCHANGED: {}, **config.changes.to_dict()}.items()
  ]


def write(
  workdir: pathlib.Path,
  config: ml_collections.ConfigDict,
  *,
  study: studies.Study,
  measured: trials.Measured,
) -> pathlib.Path:
  """Writes the pictures and table.md, and returns the path of the latter."""
  images = study.test.images[:_COLUMNS]
  pictures = {
    'samples': {n: m.sample(_COLUMNS) for n, m in measured.models.items()},
    'reconstructions': {
      'Input': images,
      **{n: m.reconstruct(images) for n, m in measured.models.items()},
    },
  }
  for name, rows in pictures.items():
    picture = paper_figures.labelled_rows(rows, columns=_COLUMNS)
    figures.save(workdir / f'{name}.png', picture)
  made = table(measured.measures, changes=config.changes.to_dict())
  atomic.write_text(workdir / 'table.md', made.markdown())
  return workdir / 'table.md'


def table(
  seeds: Sequence[claims.Measures], *, changes: dict[str, dict[str, object]]
) -> tables.Table:
  """Returns a row for each change, and marks the measures that it moved."""
  rows = []
  for name in (UNCHANGED, *changes):
    cells = []
    for measure, (_, digits) in MEASURES.items():
      values = [measures.get(name, {}).get(measure) for measures in seeds]
      cell = tables.mean_and_deviation(values, digits=digits)
      moved = name != UNCHANGED and _moved(seeds, name, measure)
      cells.append(f'**{cell}**' if moved else cell)
    settings = ', '.join(f'{k} = {v}' for k, v in changes.get(name, {}).items())
    rows.append([name, settings, *cells])
  return tables.Table(
    'One change at a time',
    f'Means ± standard deviations over {len(seeds)} seeds. Bold: with every '
    f'seed above that of {UNCHANGED!r}, or with every seed below, and the mean '
    'of these differences exceeds two of their standard deviations; three '
    'seeds of a change without effect are bold in 7 % of cases, and fewer '
    'never.',
    ['', 'settings', *(heading for heading, _ in MEASURES.values())],
    rows,
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
  return claims.decide(claim, seeds).verdict != 'undecided'
