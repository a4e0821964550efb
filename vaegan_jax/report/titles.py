"""The titles of pages."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from vaegan_jax.core import objectives

_DATA = {
  'faces': 'cartoon faces',
  'celeba': 'CelebA',
  'lfw': 'LFW',
  'folder': 'a folder of images',
}


def of(settings: Mapping[str, Any]) -> str:
  """Returns a title such as 'Conditional VAE/GAN on cartoon faces'.

  Args:
    settings: of a run, by dotted name.
  """
  model = objectives.MODELS[settings['model']].title
  kind = f'Conditional {model}' if settings['conditional'] else model
  source = settings['data.source']
  return f'{kind} on {_DATA.get(source, source)}'
