"""The measures of a run, from its evaluation.json, as tables."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Mapping
from typing import Any, NamedTuple

from vaegan_jax.report import tables

NAME = 'evaluation.json'

# Evaluators that compare a set of images with held-out ones -> their heading.
SETS = {
  'samples': 'Prior N(0, I)',
  'fitted_prior': 'Fitted prior',
  'aggregated_posterior': 'q(z|x)',
  'reconstructions': 'Reconstructions',
}
# Measure -> its title, its unit, and the better value.
OF_SETS = {
  'frechet': ('Fréchet distance', 'features²', 'lower'),
  'kernel': ('Kernel distance', '', 'lower'),
  'sliced_wasserstein': ('Sliced Wasserstein distance', '', 'lower'),
  'fid': ('FID', 'features²', 'lower'),
  'kid': ('KID', '', 'lower'),
  'precision': ('Precision', '', 'higher'),
  'recall': ('Recall', '', 'higher'),
  'density': ('Density', '', '1'),
  'coverage': ('Coverage', '', 'higher'),
  'high_frequency_ratio': ('High frequencies, relative to real', '', '1'),
  'high_frequency_excess': ('... above real: artefacts', '', 'lower'),
  'sharpness': ('Sharpness', '', 'higher'),
}
OTHERS = {
  'reconstructions/psnr': ('Reconstructions: PSNR', 'dB', 'higher'),
  'reconstructions/ssim': ('Reconstructions: SSIM', '', 'higher'),
  'reconstructions/pixel_error': (
    'Reconstructions: error of pixels',
    'levels of 255',
    'lower',
  ),
  'reconstructions/feature_distance': (
    'Reconstructions: distance of features',
    'distances of unrelated images',
    'lower',
  ),
  'reconstructions/agreement': (
    'Reconstructions: attributes kept',
    'chance: 0.5; for scores 0',
    'higher',
  ),
  'attribute_vectors/attributes': ('Attribute vectors: measured', '', ''),
  'attribute_vectors/flipped': (
    'Attribute vectors: attribute gained',
    'share of images',
    'higher',
  ),
  'attribute_vectors/flipped_shuffled': (
    '... by vectors of shuffled labels',
    'share',
    '',
  ),
  'attribute_vectors/leaked': (
    'Attribute vectors: other attributes changed',
    'share of attributes',
    'lower',
  ),
  'attribute_vectors/leaked_shuffled': (
    '... by vectors of shuffled labels',
    'share',
    '',
  ),
  'attribute_vectors/counterfactual_error': (
    'Attribute vectors: error from the true edit',
    'levels of 255',
    'lower',
  ),
  'attribute_vectors/counterfactual_error_unchanged': (
    '... without an edit',
    'levels of 255',
    '',
  ),
  'attribute_vectors/counterfactual_distance': (
    'Attribute vectors: distance from the true edit',
    'features',
    'lower',
  ),
  'attribute_vectors/counterfactual_distance_unchanged': (
    '... without an edit',
    'features',
    '',
  ),
  'similarity/cosine': (
    'Requested attributes: cosine of the best sample',
    '',
    'higher',
  ),
  'similarity/cosine_mean': ('... mean over the samples', '', 'higher'),
  'similarity/squared_error': (
    'Requested attributes: squared error',
    'summed over attributes',
    'lower',
  ),
  'similarity/deviation': ('... its deviation over draws', '', ''),
}

# Definitions of the measures whose titles do not say what they are; "features"
# are those of the predictor of attributes, or of a network of random weights.
DEFINITIONS = {
  'frechet': 'between Gaussians with the means and covariances of the features '
  '(Heusel et al., 2017)',
  'kernel': 'unbiased squared MMD of the features, with the kernel '
  '(x·y / dimensions + 1)³ (Bińkowski et al., 2018)',
  'sliced_wasserstein': 'between 7x7 patches of Laplacian pyramids, mean over '
  'random directions and scales (after Karras et al., 2018, but of patches '
  'that the held-out images standardise: published values are not comparable)',
  'fid': "the Fréchet distance in Inception's features (`--inception`)",
  'kid': "the kernel distance in Inception's features (`--inception`)",
  'precision': 'share of the images that lie in the ball of a held-out one, '
  'which reaches its 5th neighbour (Kynkäänniemi et al., 2019)',
  'recall': 'share of the held-out images that lie in such a ball of one of '
  'the images',
  'density': 'number of balls of held-out images that hold an image, divided '
  'by 5 (Naeem et al., 2020)',
  'coverage': 'share of the balls of held-out images that hold an image '
  '(Naeem et al., 2020)',
  'high_frequency_ratio': 'energy above half of the Nyquist frequency, divided '
  'by that of held-out images',
  'high_frequency_excess': 'that ratio minus 1, or 0: grids and grain',
  'sharpness': 'that ratio r, or 1 / r if r > 1: 1 is as sharp as real images, '
  'and blur and noise both lower it',
  'reconstructions/feature_distance': 'distance of the features of an image '
  'and its reconstruction, divided by that of two unrelated images',
  'reconstructions/agreement': 'balanced accuracy with which the attributes '
  'predicted for a reconstruction are those predicted for its image, mean over '
  'attributes; for scores, the correlation',
  'attribute_vectors/flipped': 'share of the images whose reconstruction lacks '
  'an attribute, and that have it after the edit, by the predictor',
  'attribute_vectors/leaked': 'share of all other attributes that differ from '
  'those of the reconstruction, by the predictor',
  'similarity/cosine': 'of the requested and the predicted attributes, as in '
  "the paper's table",
}


class Measures(NamedTuple):
  """What evaluation.json holds.

  Attributes:
    about: the step, the number of images and other conditions.
    model: the measures of the model by name, such as 'samples/frechet'.
    real: of real images in place of samples.
  """

  about: Mapping[str, Any]
  model: Mapping[str, float]
  real: Mapping[str, float]


def read(workdir: pathlib.Path) -> Measures | None:
  """Reads the measures of a run; None if it was not evaluated.

  Raises:
    ValueError: the file is damaged.
  """
  path = workdir / NAME
  if not path.exists():
    return None
  try:
    found = json.loads(path.read_text(encoding='utf-8'))
    return Measures(found['about'], found['model'], found['real'])
  except (ValueError, LookupError, TypeError) as error:
    raise ValueError(
      f'{path} is damaged ({error!r}): remove it, or evaluate the run again'
    ) from error


def make(measures: Measures) -> list[tables.Table]:
  """Returns a table of what compares sets of images, and one of the rest."""
  about, model, real = measures
  sets = {
    name: heading
    for name, heading in SETS.items()
    if f'{name}/frechet' in model
  }
  kind = (
    'a predictor of attributes' if about.get('oracle') else 'random weights'
  )
  rows = [
    [
      title,
      *(_number(model.get(f'{name}/{measure}')) for name in sets),
      _number(real.get(f'samples/{measure}')),
      unit,
      better,
    ]
    for measure, (title, unit, better) in OF_SETS.items()
    if f'samples/{measure}' in model
  ]
  others = [
    [title, _number(model[name]), _number(real.get(name)), unit, better]
    for name, (title, unit, better) in OTHERS.items()
    if name in model
  ]
  ends = ['Real images', 'Unit', 'Better']
  return [
    tables.Table(
      'Sets of images',
      f'Step {about["step"]:,}, compared with {about["images"]:,} held-out '
      f'images, in features of {kind}. Distances fall with the '
      'number of images: compare them with those of real images'
      f'{_real(about)}.',
      ['', *sets.values(), *ends],
      rows,
    ),
    tables.Table(
      'Reconstructions and edits',
      f'Of {about["images"]:,} held-out images{_given(about)}.',
      ['', 'Model', *ends],
      others,
    ),
  ]


def _real(about: Mapping[str, Any]) -> str:
  kind = f', which are {about["real"]}' if 'real' in about else ''
  copies = about.get('copies', 0)
  return kind + (
    f'; {copies:,} held-out images are training images too' if copies else ''
  )


def _given(about: Mapping[str, Any]) -> str:
  given = ', whose attributes the model is given, here and for samples'
  return given if about.get('given') else ''


def _number(value: float | None) -> str:
  return '' if value is None else f'{value:.4g}'
