"""Visual attribute vectors, and edits of images with them.

The vector of an attribute is the mean code of images with it minus the mean
code of images without it. Added to the code of an image that lacks the
attribute, it should make the decoder show the attribute and change nothing
else; `editing` measures that.

Source: section 4.1 of the paper, figure 5.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Bool, Float32

from vaegan_jax import inference

Codes: TypeAlias = Float32[np.ndarray, '_images latent']
Flags: TypeAlias = Bool[np.ndarray, '_images attributes']

# Figure 5, in CelebA's spelling.
PAPER = (
  'Bald',
  'Bangs',
  'Black_Hair',
  'Blond_Hair',
  'Bushy_Eyebrows',
  'Eyeglasses',
  'Gray_Hair',
  'Heavy_Makeup',
  'High_Cheekbones',
  'Male',
  'Mustache',
  'Pale_Skin',
  'Rosy_Cheeks',
  'Smiling',
  'Straight_Hair',
  'Wavy_Hair',
  'Wearing_Lipstick',
  'Young',
)


class Vectors(NamedTuple):
  """Attribute vectors.

  Attributes:
    by_name: the vector of each attribute that has one.
    skipped: the attributes that too few images have or lack.
  """

  by_name: dict[str, Float32[np.ndarray, ' latent']]
  skipped: tuple[str, ...]


def compute(
  codes: Codes,
  attributes: Flags,
  *,
  attribute_names: tuple[str, ...],
  names: tuple[str, ...] = PAPER,
  minimum: int = 20,
) -> Vectors:
  """Computes attribute vectors from the codes of training images.

  Args:
    codes: `model.encode` of the images.
    attributes: which of `attribute_names` each image has; for scores, for
      example those above 0.
    attribute_names: the names of the columns.
    names: the attributes whose vectors to compute.
    minimum: the number of images with an attribute, and of images without it,
      that its vector needs; attributes with fewer are skipped.

  Raises:
    ValueError: a name is not among the columns, or codes and attributes differ
      in length.
  """
  unknown = [name for name in names if name not in attribute_names]
  if unknown:
    raise ValueError(
      f'no attribute {", ".join(unknown)}: expected some of '
      f'{", ".join(attribute_names)}'
    )
  if len(codes) != len(attributes):
    raise ValueError(
      f'{len(codes)} codes and {len(attributes)} rows of attributes: expected '
      'a row for each code'
    )
  by_name, skipped = {}, []
  for name in names:
    has = attributes[:, attribute_names.index(name)]
    if min(has.sum(), (~has).sum()) < minimum:
      skipped.append(name)
    else:
      by_name[name] = codes[has].mean(0) - codes[~has].mean(0)
  return Vectors(by_name, tuple(skipped))


def edit(
  model: inference.Model, codes: Codes, *, vector: np.ndarray
) -> inference.Pixels:
  """Adds a vector to each code and decodes the sums."""
  return model.decode((codes + vector).astype(np.float32))
