import dataclasses
import functools
import itertools
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vaegan_jax.data import sources
from vaegan_jax.data.sources import faces
from vaegan_jax.data.sources.cartoon import canvas, drawing, traits

SIZE = (40, 32)  # not square, so that no test needs a second compilation
COUNT = 48
OFF = pytest.mark.parametrize('correlated', [False, True])


def _column(name):
  return faces.ATTRIBUTES.index(name)


@pytest.fixture(scope='module')
def source():
  return faces.Faces(
    size=SIZE, correlated=False, train=4000, validation=50, test=70
  )


@pytest.fixture(scope='module')
def plain(source):
  """The first faces, before any flip."""
  return source.draw('train', range(COUNT))


@pytest.fixture(scope='module')
def flipped(source):
  """The same faces, each attribute flipped in turn."""
  return {
    name: source.draw('train', range(COUNT), flip=name)
    for name in faces.ATTRIBUTES
  }


def _change(face, other):
  """Returns the difference of each face in full-scale pixels."""
  gap = np.abs(face.pixels.astype(int) - other.pixels.astype(int))
  return gap.mean(axis=3).sum(axis=(1, 2)) / 255


def test_flipping_an_invisible_attribute_changes_no_pixel(plain, flipped):
  hidden = 0
  for column, name in enumerate(faces.ATTRIBUTES):
    unseen = ~plain.visible[:, column]
    hidden += unseen.sum()
    assert not _change(plain, flipped[name])[unseen].any(), name
  assert hidden > COUNT


def test_flipping_a_visible_attribute_changes_the_picture(plain, flipped):
  for column, name in enumerate(faces.ATTRIBUTES):
    change = _change(plain, flipped[name])[plain.visible[:, column]]
    assert change.min() > 0.25, name
    assert np.median(change) > 1, name


def test_flipping_an_attribute_does_not_change_its_visibility(plain, flipped):
  for column, name in enumerate(faces.ATTRIBUTES):
    seen = flipped[name].visible[:, column]
    np.testing.assert_array_equal(seen, plain.visible[:, column], name)


def test_flipping_changes_only_excluded_attributes(plain, flipped):
  beards = {*traits.BEARDS, 'No_Beard'}
  groups = [*map(set, traits.EXCLUSIVE), beards]
  for column, name in enumerate(faces.ATTRIBUTES):
    changed = flipped[name].attributes != plain.attributes
    assert changed[:, column].all()
    kin = set().union({name}, *(group for group in groups if name in group))
    free = [_column(other) for other in faces.ATTRIBUTES if other not in kin]
    assert not changed[:, free].any(), name


def test_glasses_change_no_pixel_below_the_nose(plain, flipped):
  rows = slice(30, 40)  # mouth, chin and shoulders
  np.testing.assert_array_equal(
    plain.pixels[:, rows], flipped['Eyeglasses'].pixels[:, rows]
  )


def test_every_flip_keeps_the_exclusions(plain, flipped):
  for face in [plain, *flipped.values()]:
    _check_exclusions(face.attributes)


def _check_exclusions(flags):
  for group in traits.EXCLUSIVE:
    assert flags[:, [_column(name) for name in group]].sum(axis=1).max() <= 1
  kinds = flags[:, [_column(name) for name in traits.BEARDS]].any(axis=1)
  assert not (kinds & flags[:, _column('No_Beard')]).any()


@OFF
def test_attributes_respect_exclusions_and_none_is_rare(correlated):
  source = faces.Faces(size=SIZE, correlated=correlated)
  flags = source.attributes('train')
  assert flags.shape == (source.train, len(faces.ATTRIBUTES))
  _check_exclusions(flags)
  shares = flags.mean(axis=0)
  assert (shares > 0.04).all()
  assert (shares < 0.96).all()


def test_attributes_are_correlated_as_in_celeba():
  flags = faces.Faces(size=SIZE).attributes('train')
  has = {name: flags[:, _column(name)] for name in faces.ATTRIBUTES}
  male, young = has['Male'], has['Young']
  assert has['No_Beard'][~male].all()
  assert has['Wearing_Lipstick'][~male].mean() > 0.5
  assert has['Wearing_Lipstick'][male].mean() < 0.05
  assert has['Gray_Hair'][~young].mean() > 5 * has['Gray_Hair'][young].mean()
  assert np.corrcoef(has['Smiling'], has['High_Cheekbones'])[0, 1] > 0.3


def test_independent_attributes_are_uncorrelated(source):
  flags = faces.Faces(size=SIZE, correlated=False).attributes('train')
  kin = {*traits.BEARDS, 'No_Beard'}.union(*traits.EXCLUSIVE)
  free = [c for c, name in enumerate(faces.ATTRIBUTES) if name not in kin]
  correlation = np.corrcoef(flags[:, free].T) - np.eye(len(free))
  assert np.abs(correlation).max() < 5 / np.sqrt(len(flags))


def test_the_bytes_do_not_depend_on_how_a_split_is_divided(source):
  whole = source.read('train', 0, 40)
  for cuts in ([0, 40], [0, 1, 40], [0, 7, 19, 40], [0, 16, 32, 40]):
    parts = [source.read('train', a, b) for a, b in itertools.pairwise(cuts)]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


def test_a_face_does_not_depend_on_its_neighbours(source):
  many = source.draw('train', [5, 900, 17])
  for place, index in enumerate([5, 900, 17]):
    alone = source.draw('train', [index])
    for field, of_many in zip(alone, many, strict=True):
      np.testing.assert_array_equal(field[0], of_many[place])


def test_attributes_and_visibility_are_those_of_the_pictures(source, plain):
  np.testing.assert_array_equal(
    source.attributes('train')[:COUNT], plain.attributes
  )
  np.testing.assert_array_equal(
    source.visible('train', 0, COUNT), plain.visible
  )


def test_splits_seeds_and_indices_share_no_face(source):
  drawn = [source.read(split, 0, 50) for split in sources.SPLITS]
  other = dataclasses.replace(source, seed=1)
  drawn.append(other.read('train', 0, 50))
  assert len({face.tobytes() for part in drawn for face in part}) == 200


def test_the_indices_of_splits_are_disjoint():
  with pytest.raises(ValueError, match='must be from 0 to'):
    faces.Faces(size=SIZE, test=faces.SPLIT_ROOM + 1)
  assert len(sources.SPLITS) * faces.SPLIT_ROOM < 2**31


def test_flipping_twice_restores_a_face(source):
  flags = jnp.asarray(source.attributes('train'))
  flip = jax.jit(jax.vmap(traits.flip, in_axes=(0, None)))
  which = jnp.int32(_column('Smiling'))
  np.testing.assert_array_equal(flip(flip(flags, which), which), flags)


def test_no_texture_is_finer_than_three_pixels_a_period():
  frame = canvas.grid((32, 32))
  straight = jnp.zeros_like(frame.x)
  for period in (2.0, 3.0):
    finest = (period * float(frame.pixel),)
    wave = canvas.waves(frame.x, finest, frame.pixel, bend=straight)
    assert not wave.any()
  wave = canvas.waves(
    frame.x, (6 * float(frame.pixel),), frame.pixel, bend=straight
  )
  assert wave.std() > 0.6


@pytest.mark.parametrize('size', [(16, 16), (64, 48), (48, 64), (256, 256)])
def test_any_size_can_be_drawn(size):
  planned = jax.eval_shape(
    functools.partial(drawing.plan, correlated=jnp.bool_(False)),
    jax.random.key(0),
    jnp.int32(-1),
  )
  paint = functools.partial(drawing.paint, size=size)
  assert jax.eval_shape(paint, planned).shape == (*size, 3)


def test_the_fingerprint_covers_every_setting_in_json(source):
  prints = [
    faces.Faces(size=SIZE),
    faces.Faces(size=(32, 40)),
    faces.Faces(size=SIZE, seed=1),
    faces.Faces(size=SIZE, correlated=False),
    faces.Faces(size=SIZE, train=5),
    faces.Faces(size=SIZE, validation=5),
    faces.Faces(size=SIZE, test=5),
  ]
  written = {json.dumps(source.fingerprint()) for source in prints}
  assert len(written) == len(prints)
  assert source.fingerprint()['drawing_version'] == faces.DRAWING_VERSION


def test_an_empty_range_reads_nothing(source):
  assert source.read('train', 3, 3).shape == (0, *SIZE, 3)


def test_errors_say_what_is_wrong(source):
  with pytest.raises(ValueError, match='no attribute'):
    source.draw('train', [0], flip='Halo')
  with pytest.raises(ValueError, match='too small'):
    faces.Faces(size=(8, 64))
  with pytest.raises(ValueError, match='no split'):
    source.read('dev', 0, 1)
  with pytest.raises(ValueError, match='from 0 to 49'):
    source.read('validation', 40, 51)
  with pytest.raises(ValueError, match='seed'):
    faces.Faces(size=SIZE, seed=-1)
