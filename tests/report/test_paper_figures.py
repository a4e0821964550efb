import functools

import numpy as np
import pytest

from vaegan_jax.report import paper_figures

SIDE = 96


def images(*levels):
  """Returns square images of SIDE pixels, each of one level."""
  column = np.array(levels, np.uint8)[:, None, None, None]
  return np.broadcast_to(column, (len(levels), SIDE, SIDE, 3)).copy()


def tiles(row):
  """Returns the levels of the tiles in a row of pixels, left to right."""
  levels = row[:, 0]
  runs = np.split(levels, np.flatnonzero(np.diff(levels)) + 1)
  return [int(run[0]) for run in runs if len(run) >= SIDE and run[0] != 255]


def body(picture):
  """Returns the rows below the headings: those with levels from 1 to 50."""
  rows = ((picture > 0) & (picture <= 50)).all(-1).any(1)
  return picture[np.flatnonzero(rows)]


def test_blocks_are_in_order_with_their_own_labels():
  picture = paper_figures.labelled_rows(
    {'GAN': images(1, 2, 3, 4, 5), 'VAE/GAN': images(6, 7)},
    columns=3,
  )
  assert tiles(picture[0]) == [1, 2, 3]
  assert tiles(picture[SIDE + 4]) == [4, 5]
  assert tiles(picture[-SIDE]) == [6, 7]
  left = picture[:, : picture.shape[1] - 3 * SIDE - 2 * 4]
  assert (
    left[: 2 * SIDE + 4] < 128
  ).any()  # one label a block, and nothing else
  assert (left[-SIDE:] < 128).any()


def test_single_rows_are_closer_than_blocks():
  one, two = images(1, 2, 3), images(1, 2, 3, 4)
  heights = [
    len(paper_figures.labelled_rows({'a': x, 'b': x}, columns=3))
    for x in (one, two)
  ]
  assert heights == [SIDE + 4 + SIDE, 196 + 16 + 196]


def test_a_row_has_one_image_for_each_attribute():
  picture = paper_figures.attribute_columns(
    images(1, 2),
    images(11, 12),
    changed={'Bald': images(21, 22), 'Wearing_Lipstick': images(31, 32)},
  )
  rows = body(picture)
  assert tiles(rows[0]) == [1, 11, 21, 31]
  assert tiles(rows[-1]) == [2, 12, 22, 32]
  inked = np.flatnonzero(rows[0, :, 0] <= 50)
  assert np.diff(inked).max() == 17  # before the first attribute


def test_a_row_has_a_query_and_the_samples_of_each_model():
  made = images(*range(11, 17)).reshape(2, 3, SIDE, SIDE, 3)
  picture = paper_figures.query_rows(
    images(1, 2), {'VAE': made, 'GAN': made[:, :1] + 10}
  )
  rows = body(picture)
  assert tiles(rows[0]) == [1, 11, 12, 13, 21]
  assert tiles(rows[-1]) == [2, 14, 15, 16, 24]


def test_small_faces_are_enlarged():
  small = images(1)[:, :8, :8]
  picture = paper_figures.labelled_rows({'x': small}, columns=1)
  assert len(picture) == SIDE


@pytest.mark.parametrize('channels', [1, 3])
def test_grey_and_coloured_images_are_drawn(channels):
  x = images(1, 2)[..., :channels]
  made = {'a': x}
  pictures = [
    paper_figures.labelled_rows(made, columns=2),
    paper_figures.attribute_columns(x, x, changed=made),
    paper_figures.query_rows(x, {'a': x[:, None]}),
  ]
  assert {picture.shape[-1] for picture in pictures} == {channels}


X = images(1, 2)
BLOCKS = functools.partial(paper_figures.labelled_rows, columns=2)
SAMPLES = functools.partial(paper_figures.query_rows, X)


def attributes(changed):
  return paper_figures.attribute_columns(X, X, changed=changed)


@pytest.mark.parametrize(
  ('draw', 'made', 'remedy'),
  [
    (BLOCKS, {}, 'at least one'),
    (BLOCKS, {'a': X, 'b': X[:, 1:]}, 'images of one size'),
    (BLOCKS, {'a': X[:0]}, 'at least one image'),
    (attributes, {}, '0 attr'),
    (attributes, {'a': X[:, 1:]}, 'for each input'),
    (SAMPLES, {}, 'at least one model'),
    (SAMPLES, {'GAN': X[None]}, "2 queries, .* of {'GAN': \\(1, 2\\)}"),
    (SAMPLES, {'GAN': X[:, None, 1:]}, 'images of one size'),
  ],
)
def test_invalid_images_are_refused_with_a_remedy(draw, made, remedy):
  with pytest.raises(ValueError, match=remedy):
    draw(made)
