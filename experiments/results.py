"""What the models of a reproduction came to, as tables beside the paper's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from experiments import paper
from vaegan_jax import inference
from vaegan_jax.core import objectives
from vaegan_jax.report import comparison_page

# In the order of the paper's figure 3.
MODELS = ('vae', 'vae_dis', 'gan', 'vaegan')
TITLES = {
  'real': 'Real images',
  'ignoring': 'Ignoring what is asked',
  **{name: objectives.MODELS[name].title for name in MODELS},
  **{
    f'{paper.CONDITIONAL}{name}': f'Conditional {objectives.MODELS[name].title}'
    for name in MODELS
  },
}


class Results(NamedTuple):
  """What the models of a reproduction came to.

  Attributes:
    models: of the first seed, by name.
    measures: of each seed, by model.
    references: of real images, as `measures.references` gives them.
    seconds: that training took, all runs together.
  """

  models: dict[str, inference.Model]
  measures: list[dict[str, dict[str, float]]]
  references: dict[str, dict[str, float]]
  seconds: float


# Measure -> heading and digits.
_SAMPLES = {
  'samples/high_frequency_ratio': ('High frequencies', 2),
  'samples/sliced_wasserstein': ('Sliced Wasserstein', 3),
  'samples/frechet': ('Fréchet', 1),
  'samples/kernel': ('Kernel', 3),
  'samples/precision': ('Precision', 2),
  'samples/recall': ('Recall', 2),
  'samples/density': ('Density', 2),
  'samples/coverage': ('Coverage', 2),
}
_RECONSTRUCTIONS = {
  'reconstructions/psnr': ('PSNR, dB', 2),
  'reconstructions/ssim': ('SSIM', 3),
  'reconstructions/pixel_error': ('Pixel error', 1),
  'reconstructions/feature_distance': ('Feature distance', 3),
  'reconstructions/agreement': ('Agreement', 3),
  'reconstructions/high_frequency_ratio': ('High frequencies', 2),
}
_VECTORS = {
  'attribute_vectors/flipped': ('Flipped', 3),
  'attribute_vectors/flipped_random': ('By a random vector', 3),
  'attribute_vectors/leaked': ('Others changed', 3),
  'attribute_vectors/leaked_random': ('By a random vector', 3),
  'attribute_vectors/counterfactual_distance': ('To the true answer', 2),
  'attribute_vectors/counterfactual_distance_unchanged': ('Unedited', 2),
}
_SIMILARITY = {
  'similarity/cosine': ('Cosine', 4),
  'similarity/squared_error': ('Squared error', 2),
}


def tables(results: Results) -> list[comparison_page.Table]:
  """Makes a table of each kind of measures that there are."""
  plain = [name for name in TITLES if not name.startswith(paper.CONDITIONAL)]
  conditional = [n for n in TITLES if n.startswith(paper.CONDITIONAL)]
  made = [
    _table(
      'Samples',
      'Against as many held-out images. High frequencies and density are best '
      'at 1, distances at 0. The first row has real training images in the '
      'place of samples.',
      columns=_SAMPLES,
      rows=_rows(results, ['real', *plain]),
    ),
    _table(
      'Samples of conditional models',
      'As above, but for the attributes of the held-out images themselves, '
      'which the other models do not have.',
      columns=_SAMPLES,
      rows=_rows(results, conditional),
    ),
    _table(
      'Reconstructions of held-out images',
      'Pixel error in levels of 0..255; a feature distance of 1 is that of '
      'another image; agreement of the attributes that the oracle sees in '
      'both: balanced accuracy, chance is 0.5; of scores the correlation.',
      columns=_RECONSTRUCTIONS,
      rows=_rows(results, [*plain, *conditional]),
    ),
    _table(
      'Visual attribute vectors',
      'Share of images that have the attribute once its vector is added, share '
      'of other attributes that change with it, each beside that of random '
      'vectors, and the distance to the true counterfactual, in features, '
      'where that is known.',
      columns=_VECTORS,
      rows=_rows(results, plain),
    ),
    _similarity(_rows(results, ['real', 'ignoring', *conditional])),
  ]
  return [table for table in made if table.rows]


# Title -> measure -> its value of each seed.
_Rows = Mapping[str, Mapping[str, list[float]]]


def _rows(results: Results, names: Sequence[str]) -> _Rows:
  """Collects what was measured of some models."""
  rows = {}
  for name in names:
    if name in results.references:
      each = [results.references[name]]
    else:
      each = [seed[name] for seed in results.measures if name in seed]
    measured = {measure for values in each for measure in values}
    rows[TITLES[name]] = {
      measure: [values[measure] for values in each if measure in values]
      for measure in measured
    }
  return rows


def _table(
  title: str,
  lead: str,
  *,
  columns: Mapping[str, tuple[str, int]],
  rows: _Rows,
) -> comparison_page.Table:
  """Makes a table of those that have any of these measures."""
  cells = {
    name: [
      comparison_page.spread(values.get(measure, []), digits=digits)
      for measure, (_, digits) in columns.items()
    ]
    for name, values in rows.items()
  }
  header = ['', *(heading for heading, _ in columns.values())]
  body = [[name, *row] for name, row in cells.items() if any(row)]
  return comparison_page.Table(title, lead, header, body)


def _similarity(rows: _Rows) -> comparison_page.Table:
  ours = _table('', '', columns=_SIMILARITY, rows=rows)
  published = {
    TITLES['real']: paper.SIMILARITY['test'],
    **{
      TITLES[f'{paper.CONDITIONAL}{name}']: row
      for name, row in paper.SIMILARITY.items()
      if name != 'test'
    },
  }
  body = []
  for title, cosine, error in ours.rows:
    theirs = ['', '']
    if title in published:
      row = published[title]
      spread = '' if row.deviation is None else f' ± {row.deviation}'
      theirs = [f'{row.cosine:.4f}', f'{row.squared_error}{spread}']
    body.append([title, cosine, theirs[0], error, theirs[1]])
  return comparison_page.Table(
    'Attribute similarity of conditional models',
    'Attributes that were asked for against those that the oracle sees; cosine '
    'of the best of up to ten samples. Our ± is over seeds, that of the paper '
    "over 25 runs of one model. The paper's numbers (recalled) are of LFW's 73 "
    'scores, and comparable with ours on LFW alone. The second row has real '
    'images, whatever was asked for.',
    ['', 'Cosine', 'Paper', 'Squared error', 'Paper'],
    body,
  )
