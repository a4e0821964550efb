"""The report of a reproduction: figures, tables and claims beside the paper."""

from __future__ import annotations

import json
import math
import pathlib

import jax
import ml_collections

from experiments import paper, reproduction_figures, reproduction_tables, trials
from vaegan_jax.config import schema
from vaegan_jax.evaluation import claims, studies
from vaegan_jax.files import atomic
from vaegan_jax.report import comparison_page
from vaegan_jax.runs import speed


def write(
  workdir: pathlib.Path,
  config: ml_collections.ConfigDict,
  *,
  study: studies.Study,
  measured: trials.Measured,
) -> pathlib.Path:
  """Writes figures, walks, table.md, claims.json and report.html.

  Returns:
    the path of the report.
  """
  models = measured.models
  shown = reproduction_figures.draw(workdir, study=study, models=models)
  moving = reproduction_figures.walk(workdir, study=study, models=models)
  tables = reproduction_tables.make(measured)
  text = '\n'.join(table.markdown() for table in tables)
  atomic.write_text(workdir / 'table.md', text)
  findings = [claims.decide(claim, measured.measures) for claim in paper.CLAIMS]
  found = [_record(finding) for finding in findings]
  atomic.write_text(
    workdir / 'claims.json', json.dumps(found, indent=2, allow_nan=False) + '\n'
  )
  return comparison_page.write(
    workdir / 'report.html',
    title=f'The paper and its reproduction on {study.test.source}',
    facts=_facts(config, study=study, measured=measured),
    figures=shown,
    tables=tables,
    judgements=[_judgement(finding) for finding in findings],
    walks=moving,
    notes=_notes(config, study),
  )


def _record(finding: claims.Finding) -> dict[str, object]:
  claim = finding.claim
  return {
    'statement': claim.statement,
    'place': claim.place,
    'greater': claim.greater._asdict(),
    'lesser': claim.lesser._asdict(),
    'threshold': claim.margin,
    'values': list(finding.values),
    'value': _number(finding.value),
    'spread': _number(finding.spread),
    'verdict': finding.verdict,
    'missing': list(finding.missing),
  }


def _number(value: float) -> float | None:
  return value if math.isfinite(value) else None


def _judgement(finding: claims.Finding) -> comparison_page.Judgement:
  claim, seeds = finding.claim, len(finding.values)
  measure = f'{_name(claim.greater)} - {_name(claim.lesser)}'
  reason = ''
  if finding.missing:
    reason = f' Undecided, as {"; ".join(finding.missing)}.'
  elif not seeds:
    reason = ' Not measured in this run.'
  elif seeds < claims.LEAST:
    reason = f' A verdict needs {claims.LEAST} seeds.'
  return comparison_page.Judgement(
    claim.statement,
    claim.place,
    measure=measure,
    threshold=f'above {claim.margin:g} with every seed',
    value=f'{finding.value:.3f}' if seeds else 'not measured',
    spread=f'{finding.spread:.3f} over {seeds} seeds' if seeds > 1 else '',
    verdict=finding.verdict,
    detail=claim.detail + reason,
  )


def _name(quantity: claims.Quantity) -> str:
  what = quantity.measure.replace('_', ' ').replace('/', ': ')
  return f'{what} of {reproduction_tables.TITLES[quantity.model]}'


def _facts(
  config: ml_collections.ConfigDict,
  *,
  study: studies.Study,
  measured: trials.Measured,
) -> list[tuple[str, str]]:
  height, width = study.test.images.shape[1:3]
  return [
    ('Data', f'{study.test.source}, {height}x{width}'),
    ('Steps', f'{config.training.steps:,}'),
    ('Batch size', f'{config.training.batch_size:,}'),
    ('Seeds', f'{len(measured.measures)}'),
    ('Images measured', f'{len(study.test.images):,}'),
    ('Training time', speed.duration(measured.seconds)),
    ('Device', jax.devices()[0].device_kind),
  ]


def _notes(
  config: ml_collections.ConfigDict, study: studies.Study
) -> list[str]:
  notes = [
    'A claim holds or fails if all seeds agree and their mean is more than two '
    'standard deviations from the threshold; ± is that deviation. Fewer than '
    f'{claims.LEAST} seeds decide nothing; if the true difference is the '
    f'threshold, {config.seeds} seeds give a verdict in '
    f'{100 * claims.chance(config.seeds):.0f} % of cases, by chance.',
    "The VAE's likelihood is a Gaussian of unit variance over pixels in "
    '[-1, 1]; another variance would change the weight of its prior.',
  ]
  if study.copies:
    notes.append(
      f'{study.copies:,} of the {len(study.test.images):,} test images are '
      'training images as well, so measures of held-out images are too good.'
    )
  if config.gan:
    changes = ', '.join(
      f'{name} = {value}' for name, value in schema.flatten(config.gan).items()
    )
    notes.append(
      'All models have the same networks, data and steps. Only the GANs have '
      f'other settings: {changes}. VAE_Dis_l uses the Dis of such a GAN.'
    )
  if study.oracle is None:
    return [
      *notes,
      'The data have no attributes: features are those of a network with '
      'random weights.',
    ]
  means = ', '.join(
    f'{name.replace("_", " ")} {value:.3f}'
    for name, value in study.oracle.validation.means().items()
  )
  return [
    *notes,
    f'Attributes are predicted by a network trained on {_oracle_data(study)}; '
    f'on {study.oracle.validation.images:,} held-out images: {means} (mean '
    'over attributes).',
  ]


def _oracle_data(study: studies.Study) -> str:
  """Describes the training data of the attribute predictor."""
  if study.oracle_images is None:
    return 'the training images'
  return (
    f'{study.oracle_images:,} other images, whose attributes are '
    'independent of each other'
  )
