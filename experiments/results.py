"""What the models of a reproduction came to, as tables beside the paper's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from experiments import paper
from vaegan_jax import inference, objectives
from vaegan_jax.report import comparison

# In the order of the paper's figure 3.
MODELS = ('vae', 'vae_dis', 'gan', 'vaegan')
TITLES = {
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
    floor: of real images in the place of samples.
    seconds: that training took, all runs together.
  """

  models: dict[str, inference.Model]
  measures: list[dict[str, dict[str, float]]]
  floor: dict[str, float]
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


def tables(results: Results) -> Iterable[comparison.Table]:
  """Makes a table of each kind of measures that there are."""
  everything = list(results.measures[0])
  yield _table(
    'Samples',
    'Against as many held-out images. High frequencies and density are best '
    'at 1, distances at 0. The first row stands for a perfect model: real '
    'training images in the place of samples.',
    _SAMPLES,
    results,
    ['', *everything],
  )
  yield _table(
    'Reconstructions of held-out images',
    'Pixel error in levels of 0..255; a feature distance of 1 is that of '
    'another image; agreement of the attributes that the oracle sees, 0.5 is '
    'chance.',
    _RECONSTRUCTIONS,
    results,
    everything,
  )
  yield _table(
    'Visual attribute vectors',
    'Share of images that have the attribute once its vector is added, share '
    'of other attributes that change with it, and the distance to the true '
    'counterfactual in features, where that is known.',
    _VECTORS,
    results,
    everything,
  )
  yield _similarity(results, everything)


def _table(
  title: str,
  lead: str,
  columns: dict[str, tuple[str, int]],
  results: Results,
  names: Sequence[str],
) -> comparison.Table:
  """Makes a table of the models that have these measures; '' is the floor."""
  rows = []
  for name in names:
    cells = [
      _cell(_values(results, name, measure), digits)
      for measure, (_, digits) in columns.items()
    ]
    if any(cells):
      rows.append([TITLES.get(name, 'Real images'), *cells])
  header = ['', *(heading for heading, _ in columns.values())]
  return comparison.Table(title, lead, header, rows)


def _similarity(results: Results, names: Sequence[str]) -> comparison.Table:
  ours = _table('', '', _SIMILARITY, results, ['', *names])
  published = {
    TITLES.get(f'{paper.CONDITIONAL}{name}', 'Real images'): row
    for name, row in paper.SIMILARITY.items()
  }
  rows = []
  for title, cosine, error in ours.rows:
    row = published[title]
    spread = '' if row.deviation is None else f' ± {row.deviation}'
    rows.append(
      [
        'Test set' if title == 'Real images' else title,
        cosine,
        f'{row.cosine:.4f}',
        error,
        f'{row.squared_error}{spread}',
      ]
    )
  return comparison.Table(
    'Attribute similarity of conditional models',
    'Attributes that were asked for against those that the oracle sees; '
    "cosine of the best of ten samples. The paper's numbers (recalled) are of "
    "LFW's 73 scores, and so comparable with ours on LFW alone.",
    ['', 'Cosine', 'Paper', 'Squared error', 'Paper'],
    rows,
  )


def _values(results: Results, name: str, measure: str) -> list[float]:
  rows = (
    [results.floor]
    if not name
    else [of_seed.get(name, {}) for of_seed in results.measures]
  )
  return [row[measure] for row in rows if measure in row]


def _cell(values: Sequence[float], digits: int) -> str:
  if not values:
    return ''
  text = f'{np.mean(values):.{digits}f}'
  if len(values) > 1:
    text += f' ± {np.std(values, ddof=1):.{digits}f}'
  return text
