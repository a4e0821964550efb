"""The report of a reproduction: figures, tables and claims beside the paper."""

from __future__ import annotations

import json
import math
import pathlib

import jax
import ml_collections
import numpy as np

from experiments import paper, reproduction_tables, trials
from vaegan_jax import inference
from vaegan_jax.config import schema
from vaegan_jax.data import cache
from vaegan_jax.evaluation import attribute_vectors, claims, studies, suite
from vaegan_jax.files import atomic
from vaegan_jax.report import comparison_page, figures, paper_figures, walks
from vaegan_jax.runs import speed

_COLUMNS = 12
_FRAMES = 72


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
  shown = draw(workdir, study=study, models=measured.models)
  vaegan = measured.models.get('vaegan')
  moving = walk(workdir, study=study, model=vaegan) if vaegan else []
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


def draw(
  workdir: pathlib.Path,
  *,
  study: studies.Study,
  models: dict[str, inference.Model],
) -> list[comparison_page.Figure]:
  """Draws figures 3 to 6, as far as the models and the data allow."""
  images = _spread(study, _COLUMNS).images
  plain = {
    reproduction_tables.TITLES[name]: models[name]
    for name in reproduction_tables.MODELS
    if name in models
  }
  encoding = {title: m for title, m in plain.items() if m.encodes}
  shown = []
  if plain:
    shown.append(_samples(workdir, plain))
  if encoding:
    shown.append(_reconstructions(workdir, encoding, images=images))
  if 'vaegan' in models:
    vectors = _vectors(study, models['vaegan'])
    if vectors:
      shown.append(_edits(workdir, study, models['vaegan'], vectors=vectors))
  if any(name.startswith(paper.CONDITIONAL) for name in models):
    shown.append(_conditional(workdir, study=study, models=models))
  return shown


def _samples(
  workdir: pathlib.Path, models: dict[str, inference.Model]
) -> comparison_page.Figure:
  """Draws samples of each model, by its title."""
  made = {title: m.sample(3 * _COLUMNS) for title, m in models.items()}
  return _save(
    workdir / 'figure3.png',
    paper_figures.labelled_rows(made, columns=_COLUMNS),
    title='Figure 3: samples',
    caption='Dec of codes drawn from N(0, I); the same codes for each model.',
    alt=f'Three rows of samples of each of {", ".join(made)}.',
  )


def _reconstructions(
  workdir: pathlib.Path,
  models: dict[str, inference.Model],
  *,
  images: np.ndarray,
) -> comparison_page.Figure:
  """Draws images above their reconstructions by each model, by its title."""
  made = {title: m.reconstruct(images) for title, m in models.items()}
  return _save(
    workdir / 'figure4.png',
    paper_figures.labelled_rows({'Input': images, **made}, columns=_COLUMNS),
    title='Figure 4: reconstructions',
    caption='Held-out images, and below them Dec of their mean codes. A GAN '
    'has no encoder.',
    alt='A row of held-out images above a row of reconstructions by each of '
    f'{", ".join(made)}.',
  )


def walk(
  workdir: pathlib.Path, *, study: studies.Study, model: inference.Model
) -> list[comparison_page.Figure]:
  """Draws a random walk and a tour of held-out images as GIFs."""
  moving = {
    'random_walk': model.walk(_FRAMES, walkers=6),
    'tour': walks.tour(
      model, _spread(study, 18).images, walkers=6, frames=_FRAMES // 3
    ),
  }
  for name, frames in moving.items():
    walks.save(workdir / f'{name}.gif', frames, columns=6, seconds=6)
  return [
    comparison_page.Figure(
      workdir / 'random_walk.gif',
      'A random walk',
      'VAE/GAN: smooth closed walks; each point is a draw from N(0, I).',
      'Six faces that change gradually into others and back.',
    ),
    comparison_page.Figure(
      workdir / 'tour.gif',
      'From one held-out image to the next',
      'VAE/GAN: between the mean codes of three images each, and back.',
      'Six faces, each changing into two others and back.',
    ),
  ]


def _spread(study: studies.Study, count: int) -> cache.Dataset:
  """Takes test images of all people or classes, which may lie side by side."""
  return study.test.take(study.test.spread(count))


def _vectors(
  study: studies.Study, model: inference.Model
) -> dict[str, np.ndarray]:
  """Returns attribute vectors, for data with binary attributes."""
  if study.oracle is None or not study.oracle.binary:
    return {}
  return suite.vectors(model, study).by_name


def _edits(
  workdir: pathlib.Path,
  study: studies.Study,
  model: inference.Model,
  *,
  vectors: dict[str, np.ndarray],
) -> comparison_page.Figure:
  """Draws images changed by attribute vectors."""
  images = _spread(study, 6).images
  codes = model.encode(images)
  picture = paper_figures.attribute_columns(
    images,
    model.decode(codes),
    changed={
      name: attribute_vectors.edit(model, codes, vector=vector)
      for name, vector in vectors.items()
    },
  )
  return _save(
    workdir / 'figure5.png',
    picture,
    title='Figure 5: visual attribute vectors',
    caption='VAE/GAN: the mean code of training images with an attribute minus '
    'that of images without it, added once to the code of a held-out image.',
    alt='Rows of a face, its reconstruction, and the face with each of the '
    f'attributes {", ".join(vectors)}.'.replace('_', ' '),
  )


def _conditional(
  workdir: pathlib.Path,
  *,
  study: studies.Study,
  models: dict[str, inference.Model],
) -> comparison_page.Figure:
  """Draws samples of each conditional model for the attributes of images."""
  queries, samples = _spread(study, 6), 4
  attributes = np.repeat(np.asarray(queries.attributes), samples, axis=0)
  made = {}
  for name in reproduction_tables.MODELS:
    model = models.get(f'{paper.CONDITIONAL}{name}')
    if model is None:
      continue
    pixels = model.sample(len(attributes), attributes)
    title = reproduction_tables.TITLES[name]
    made[title] = pixels.reshape(-1, samples, *pixels.shape[1:])
  return _save(
    workdir / 'figure6.png',
    paper_figures.query_rows(queries.images, made),
    title="Figure 6: images of a query's attributes",
    caption='Left: the held-out image with the requested attributes. The '
    'models see the attributes only.',
    alt='Rows of a held-out face and four samples with its attributes by each '
    f'of {", ".join(made)}.',
  )


def _save(
  path: pathlib.Path, picture: np.ndarray, *, title: str, caption: str, alt: str
) -> comparison_page.Figure:
  figures.save(path, picture)
  return comparison_page.Figure(path, title, caption, alt)


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
    ('Steps', f'{config.training.steps:,} of {config.training.batch_size}'),
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
