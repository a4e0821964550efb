"""What adding visual attribute vectors to codes changes, and what it spares."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int, UInt8

from vaegan_jax.data import cache
from vaegan_jax.evaluation import attribute_vectors
from vaegan_jax.evaluation.features import oracle

Pixels = UInt8[np.ndarray, '_images _height _width colours']
Codes = Float32[np.ndarray, '_images latent']
Flags = Bool[np.ndarray, '_images attributes']
# Places of images and the name of an attribute -> the same faces with that
# attribute flipped: pixels, 0..255.
Counterfactual = Callable[[Int[np.ndarray, ' images'], str], np.ndarray]


class Distances(NamedTuple):
  """Mean distances from images to their true counterfactuals.

  Attributes:
    pixels: root mean square over an image's values, in levels of 0..255.
    features: Euclidean, of the oracle's features.
  """

  pixels: float
  features: float


class Edit(NamedTuple):
  """What adding one vector does.

  It is measured on images that lack the attribute and whose reconstruction
  lacks it too by the oracle's judgement, so that a reconstruction that has it
  already does not count as success.

  Attributes:
    images: how many such images were edited.
    flipped: share of them that have the attribute afterwards, by the oracle's
      judgement.
    flipped_random: the same for random vectors of the same length.
    leaked: share of all other attributes whose judgement is not that of the
      reconstruction. Attributes that the edit must change, such as another
      colour of hair, are among them.
    leaked_random: the same for random vectors.
    edited: distances from edited images to the true counterfactuals, where
      these are known.
    unchanged: distances from plain reconstructions to the same.
  """

  images: int
  flipped: float
  flipped_random: float
  leaked: float
  leaked_random: float
  edited: Distances | None
  unchanged: Distances | None


class Edits(NamedTuple):
  """What adding each vector does.

  Attributes:
    by_name: of each attribute that could be measured.
    skipped: attributes without a vector, and those that too few test images
      lack.
  """

  by_name: dict[str, Edit]
  skipped: tuple[str, ...]


def measure(
  model: attribute_vectors.Model,
  judge: oracle.Oracle,
  *,
  vectors: attribute_vectors.Vectors,
  test: cache.Dataset,
  visible: Flags | None = None,
  counterfactual: Counterfactual | None = None,
  images: int = 500,
  minimum: int = 20,
  random: int = 1,
  seed: int = 0,
) -> Edits:
  """Adds each vector to test images that lack its attribute.

  Args:
    model: that encodes and decodes.
    judge: of binary attributes, those of `test`.
    vectors: of the same model.
    test: images with attributes that neither model nor oracle were trained on.
    visible: which attributes can be seen in which image; only where one can be
      is it edited. All if None.
    counterfactual: draws the true answer, if it is known: for cartoon faces
      `lambda places, name: source.counterfactual('test', places, name).pixels`.
    images: an attribute is added to that many, at most.
    minimum: an attribute with fewer images to add it to is skipped.
    random: how many random vectors an attribute is compared with.
    seed: of the random vectors.

  Raises:
    ValueError: the oracle knows other attributes than the test images have, or
      scores instead of attributes that hold or not.
  """
  if test.attributes is None or test.attribute_names != judge.attribute_names:
    raise ValueError(
      f'the oracle knows the attributes {judge.attribute_names}, the test '
      f'images have {test.attribute_names}: load the oracle of this data set'
    )
  whole = np.asarray(test.images)
  studio = _Studio(model, judge, *_reconstruct(model, judge, whole))
  lacking = ~test.attributes.astype(bool) & ~studio.holds
  if visible is not None:
    lacking &= visible
  generator = np.random.default_rng(seed)
  found, skipped = {}, [*vectors.skipped]
  for name, vector in vectors.by_name.items():
    column = test.attribute_names.index(name)
    places = np.flatnonzero(lacking[:, column])[:images]
    # Drawn for skipped ones too, so that one does not change the others.
    directions = generator.normal(size=(random, len(vector)))
    if len(places) < minimum:
      skipped.append(name)
      continue
    lengths = np.linalg.norm(directions, axis=1, keepdims=True)
    others = directions * (np.linalg.norm(vector) / lengths)
    truth = counterfactual(places, name) if counterfactual else None
    found[name] = _measure(
      studio, places, column=column, vector=vector, others=others, truth=truth
    )
  return Edits(found, tuple(skipped))


def summary(edits: Edits) -> dict[str, float]:
  """Averages over attributes; names begin with 'attribute_vectors/'.

  'flipped', 'flipped_random', 'leaked', 'leaked_random' as in `Edit`;
  'attributes' counts those measured. Where the true counterfactuals are known,
  'counterfactual_error' in levels of 0..255 and 'counterfactual_distance' in
  oracle features, each also '_unchanged': that of plain reconstructions.

  Raises:
    ValueError: no attribute could be measured.
  """
  if not edits.by_name:
    raise ValueError(
      'no attribute vector was measured, all were skipped '
      f'({", ".join(edits.skipped)}): take more images'
    )
  each = list(edits.by_name.values())
  fields = ('flipped', 'flipped_random', 'leaked', 'leaked_random')
  means = {
    field: float(np.mean([getattr(one, field) for one in each]))
    for field in fields
  }
  means['attributes'] = float(len(each))
  for suffix, kind in (('', 'edited'), ('_unchanged', 'unchanged')):
    known = [getattr(one, kind) for one in each]
    if None not in known:
      pixels, features = np.mean(known, axis=0)
      means[f'counterfactual_error{suffix}'] = float(pixels)
      means[f'counterfactual_distance{suffix}'] = float(features)
  return {f'attribute_vectors/{name}': x for name, x in means.items()}


class _Studio(NamedTuple):
  """Who edits and judges, and the test images as they are without editing."""

  model: attribute_vectors.Model
  judge: oracle.Oracle
  codes: Codes
  pixels: Pixels
  holds: Flags


def _reconstruct(
  model: attribute_vectors.Model, judge: oracle.Oracle, pixels: Pixels
) -> tuple[Codes, Pixels, Flags]:
  codes = model.encode(pixels)
  plain = model.decode(codes)
  return codes, plain, judge.holds(plain)


def _measure(
  studio: _Studio,
  places: np.ndarray,
  *,
  column: int,
  vector: np.ndarray,
  others: np.ndarray,
  truth: Pixels | None,
) -> Edit:
  codes, before = studio.codes[places], studio.holds[places]

  def change(edited: Pixels) -> tuple[float, float]:
    changed = studio.judge.holds(edited) != before
    rest = np.delete(changed, column, axis=1)
    return float(changed[:, column].mean()), float(rest.mean())

  edited = attribute_vectors.edit(studio.model, codes, vector=vector)
  flipped, leaked = change(edited)
  by_chance = [
    change(attribute_vectors.edit(studio.model, codes, vector=v))
    for v in others
  ]
  flipped_random, leaked_random = np.mean(by_chance, axis=0).tolist()
  near = far = None
  if truth is not None:
    near = _distances(studio.judge, edited, truth)
    far = _distances(studio.judge, studio.pixels[places], truth)
  return Edit(
    images=len(places),
    flipped=flipped,
    flipped_random=flipped_random,
    leaked=leaked,
    leaked_random=leaked_random,
    edited=near,
    unchanged=far,
  )


def _distances(
  judge: oracle.Oracle, pixels: Pixels, truth: Pixels
) -> Distances:
  gap = pixels.astype(np.float64) - truth
  features = judge.features(pixels) - judge.features(truth)
  return Distances(
    pixels=float(np.sqrt(np.square(gap).mean((1, 2, 3))).mean()),
    features=float(np.linalg.norm(features, axis=1).mean()),
  )
