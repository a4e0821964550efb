"""Visual attribute vectors, and the agreement of predicted attributes.

The vector of an attribute is the mean code of images with it minus the mean
code of images without it. Added once to the code of an image that lacks the
attribute, it should make the decoder show it, and change nothing else:
`editing` measures whether it does.

Source: section 4.1 of the paper, figure 5.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Float32, UInt8

from vaegan_jax.evaluation.features import oracle
from vaegan_jax.evaluation.metrics import accuracy

Pixels = UInt8[np.ndarray, '_images _height _width colours']
Codes = Float32[np.ndarray, '_images latent']
Flags = Bool[np.ndarray, '_images attributes']

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


@runtime_checkable
class Model(Protocol):
  """What is needed of a trained model; `inference.Model` has it."""

  def encode(self, images: Pixels) -> Codes:
    """Computes codes of pixels, 0..255."""
    ...

  def decode(self, codes: Codes) -> Pixels:
    """Makes pixels, 0..255, of codes."""
    ...


class Vectors(NamedTuple):
  """Attribute vectors.

  Attributes:
    by_name: the vector of each attribute that has one.
    skipped: attributes that too few images have, or lack.
  """

  by_name: dict[str, Float32[np.ndarray, ' latent']]
  skipped: tuple[str, ...]


def vectors(
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
    attributes: which of `attribute_names` each image has; of scores, for
      example those above 0.
    attribute_names: of the columns.
    names: of the attributes wanted.
    minimum: images with an attribute, and images without it, that its vector
      needs; one with fewer is skipped.

  Raises:
    ValueError: a name is not among the columns, or codes and attributes are
      not of the same images.
  """
  _check_names(names, attribute_names)
  if len(codes) != len(attributes):
    raise ValueError(
      f'{len(codes)} codes and {len(attributes)} rows of attributes: expected '
      'a row for each code'
    )
  found, skipped = {}, []
  for name in names:
    has = attributes[:, attribute_names.index(name)]
    if min(has.sum(), (~has).sum()) < minimum:
      skipped.append(name)
    else:
      found[name] = codes[has].mean(0) - codes[~has].mean(0)
  return Vectors(found, tuple(skipped))


def edit(model: Model, codes: Codes, *, vector: np.ndarray) -> Pixels:
  """Adds a vector once to each code, and decodes."""
  return model.decode((codes + vector).astype(np.float32))


def agreement(judge: oracle.Oracle, pixels: Pixels, reference: Pixels) -> float:
  """Measures how well predicted attributes of images agree with the originals'.

  Args:
    judge: predicts both.
    pixels: of reconstructions, for example.
    reference: their originals, in the same order.

  Returns:
    The mean over attributes of the balanced accuracy with which an image has
    what its original has: 1 is perfect, images that know nothing of their
    originals get 0.5. Of scores, the mean correlation: 1 and 0.

  Raises:
    ValueError: the shapes differ.
  """
  if pixels.shape != reference.shape:
    raise ValueError(
      f'images of shape {pixels.shape} and originals of shape '
      f'{reference.shape}: expected the same shape'
    )
  if not judge.binary:
    said, true = judge.predict(pixels), judge.predict(reference)
    return accuracy.mean(accuracy.correlation(said, true))
  return accuracy.mean(
    accuracy.balanced(judge.holds(pixels), judge.holds(reference))
  )


def _check_names(
  names: tuple[str, ...], attribute_names: tuple[str, ...]
) -> None:
  unknown = [name for name in names if name not in attribute_names]
  if unknown:
    raise ValueError(
      f'no attribute {", ".join(unknown)}: expected some of '
      f'{", ".join(attribute_names)}'
    )
