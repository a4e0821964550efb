"""Tables of a reproduction's measures, beside the paper's numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from experiments import paper, trials
from vaegan_jax.core import objectives
from vaegan_jax.report import tables

# In the order of the paper's figure 3.
MODELS = ('vae', 'vae_dis', 'gan', 'vaegan')
TITLES = {
  'real': 'Real images',
  'ignoring': 'Ignoring the request',
  'frequencies': 'Frequencies of the attributes',
  **{name: objectives.MODELS[name].title for name in MODELS},
  **{
    f'{paper.CONDITIONAL}{name}': f'Conditional {objectives.MODELS[name].title}'
    for name in MODELS
  },
}


# Measure -> heading and digits after the point.
_SAMPLES = {
  'samples/high_frequency_ratio': ('High frequencies', 2),
  'samples/high_frequency_excess': ('Artefacts', 2),
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
  'attribute_vectors/attributes': ('Attributes', 0),
  'attribute_vectors/flipped': ('Flipped', 3),
  'attribute_vectors/flipped_shuffled': ('By shuffled labels', 3),
  'attribute_vectors/leaked': ('Others changed', 3),
  'attribute_vectors/leaked_shuffled': ('By shuffled labels', 3),
  'attribute_vectors/counterfactual_distance': ('To the counterfactual', 2),
  'attribute_vectors/counterfactual_distance_unchanged': ('Unedited', 2),
}
_SIMILARITY = {
  'similarity/cosine': ('Cosine', 4),
  'similarity/cosine_mean': ('Mean cosine', 4),
  'similarity/squared_error': ('Squared error', 2),
}


_OF_RECONSTRUCTIONS = (
  'Pixel error is in levels of 0..255. A feature distance of 1 is that between '
  'two images. Agreement compares the attributes that the oracle predicts for '
  'both images: balanced accuracy, where chance is 0.5; for scores, the '
  'correlation.'
)


def make(measured: trials.Measured) -> list[tables.Table]:
  """Returns a table for each kind of measure that exists."""
  plain = list(MODELS)
  conditional = [n for n in TITLES if n.startswith(paper.CONDITIONAL)]
  real = {
    f'{title} ({measured.real})': row
    for title, row in _rows(measured, ['real']).items()
  }
  made = [
    _table(
      'Samples',
      'Compared with as many held-out images. The best value of high '
      'frequencies and density is 1; that of distances is 0. In the first row, '
      'real images take the place of samples.',
      columns=_SAMPLES,
      rows={**real, **_rows(measured, plain)},
    ),
    _table(
      'Samples of conditional models',
      'Measured like the samples above, but for the attributes of the held-out '
      'images, which these models are given.',
      columns=_SAMPLES,
      rows=_rows(measured, conditional),
    ),
    _table(
      'Reconstructions of held-out images',
      _OF_RECONSTRUCTIONS,
      columns=_RECONSTRUCTIONS,
      rows=_rows(measured, plain),
    ),
    _table(
      'Reconstructions by conditional models',
      f'{_OF_RECONSTRUCTIONS} Enc and Dec are given the true attributes of '
      'each image, which an unconditional model must keep in the code: the two '
      'kinds cannot be compared.',
      columns=_RECONSTRUCTIONS,
      rows=_rows(measured, conditional),
    ),
    _table(
      'Visual attribute vectors',
      'Means over the attributes whose vectors could be measured, whose number '
      'is given: the share of images with the attribute after adding it, the '
      'share of other attributes that change with it, each beside that of '
      'vectors of shuffled labels, and the distance in features to the true '
      'counterfactual, where it is known.',
      columns=_VECTORS,
      rows=_rows(measured, plain),
    ),
    _similarity(
      _rows(measured, ['real', 'ignoring', 'frequencies', *conditional])
    ),
  ]
  return [table for table in made if table.rows]


# Title -> the measures of each seed.
_Rows = Mapping[str, Sequence[Mapping[str, float]]]


def _rows(measured: trials.Measured, names: Sequence[str]) -> _Rows:
  """Collects the measures of some models."""
  rows = {}
  for name in names:
    if name in measured.references:
      rows[TITLES[name]] = [measured.references[name]]
    else:
      rows[TITLES[name]] = [seed.get(name, {}) for seed in measured.measures]
  return rows


def _table(
  title: str,
  lead: str,
  *,
  columns: Mapping[str, tuple[str, int]],
  rows: _Rows,
) -> tables.Table:
  """Returns a table of the rows that have any of some measures."""
  cells = {
    name: tables.row_of_means(seeds, columns) for name, seeds in rows.items()
  }
  header = ['', *(heading for heading, _ in columns.values())]
  body = [[name, *row] for name, row in cells.items() if any(row)]
  return tables.Table(title, lead, header, body)


def _similarity(rows: _Rows) -> tables.Table:
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
  for title, cosine, mean, error in ours.rows:
    theirs = ['', '']
    if title in published:
      row = published[title]
      spread = '' if row.deviation is None else f' ± {row.deviation}'
      theirs = [f'{row.cosine:.4f}', f'{row.squared_error}{spread}']
    body.append([title, cosine, theirs[0], mean, error, theirs[1]])
  return tables.Table(
    'Attribute similarity of conditional models',
    'Requested attributes compared with those that the oracle predicts; cosine '
    'of the best of up to ten samples, which rewards variety, and its mean '
    'over them. Our ± is over seeds, that of the paper over 25 runs of one '
    "model. The paper's numbers (recalled) are for LFW's 73 scores, and "
    'comparable with ours on LFW only. In the first row, the real image of '
    'each request takes the place of all samples; in the second, real images '
    'chosen without regard to it; in the third, the mean attributes of the '
    'training images take the place of predicted ones.',
    ['', 'Cosine', 'Paper', 'Mean cosine', 'Squared error', 'Paper'],
    body,
  )
