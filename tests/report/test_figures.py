import itertools
import re

import numpy as np
import pytest

from vaegan_jax.report import figures


def random_pixels(*shape):
  return np.random.default_rng(0).integers(0, 255, shape, dtype=np.uint8)


@pytest.mark.parametrize('channels', [1, 3])
def test_a_grid_holds_each_image_in_its_place_on_white(channels):
  pixels = random_pixels(5, 98, 96, channels)
  picture = figures.grid(pixels, columns=3)
  assert picture.shape == (2 * 98 + 4, 3 * 96 + 2 * 4, channels)
  for i, image in enumerate(pixels):
    top, left = i // 3 * 102, i % 3 * 100
    np.testing.assert_array_equal(
      picture[top : top + 98, left : left + 96], image
    )
  # random_pixels has no 255: the rest is white.
  assert (picture == 255).sum() == picture.size - pixels.size


@pytest.mark.parametrize(('side', 'shown'), [(28, 112), (32, 96), (128, 128)])
def test_small_images_are_enlarged_to_a_visible_size(side, shown):
  pixels = random_pixels(1, side, side, 3)
  picture = figures.grid(pixels, columns=8)
  assert picture.shape == (shown, shown, 3)
  factor = shown // side
  np.testing.assert_array_equal(picture[::factor, ::factor], pixels[0])
  np.testing.assert_array_equal(
    picture[factor - 1 :: factor], picture[::factor]
  )


def test_reconstructions_stand_below_their_originals():
  originals = np.full((3, 96, 96, 3), 10, np.uint8)
  originals += np.arange(3, dtype=np.uint8)[:, None, None, None]
  picture = figures.reconstructions(originals, originals + 100, columns=2)
  column = picture[:, 0, 0]
  inked = [int(value) for value in column if value != 255]
  assert inked == [10] * 96 + [110] * 96 + [12] * 96 + [112] * 96
  seams = [
    len(list(run)) for value, run in itertools.groupby(column) if value == 255
  ]
  assert seams[0] == seams[2] < seams[1]


def test_each_row_of_the_development_is_a_strip():
  strips = [(step, random_pixels(96, 200, 3)) for step in (1, 50, 12_000)]
  picture = figures.development(strips)
  for i, (_, strip) in enumerate(strips):
    np.testing.assert_array_equal(picture[i * 100 : i * 100 + 96, -200:], strip)


def test_each_row_of_the_development_has_its_step_as_label():
  strip = np.full((96, 200, 1), 255, np.uint8)
  picture = figures.development([(1, strip), (2, strip), (2, strip)])
  labels = [picture[i * 100 : i * 100 + 96] for i in range(3)]
  assert all((label < 255).any() for label in labels)
  np.testing.assert_array_equal(labels[1], labels[2])
  assert (labels[0] != labels[1]).any()


@pytest.mark.parametrize('channels', [1, 3])
def test_a_saved_picture_is_loaded_unchanged(tmp_path, channels):
  picture = random_pixels(5, 7, channels)
  path = tmp_path / 'new' / 'folder' / 'picture.png'
  figures.save(path, picture)
  np.testing.assert_array_equal(figures.load(path), picture)
  assert [p.name for p in path.parent.iterdir()] == ['picture.png']


def test_a_failed_save_leaves_the_old_picture(tmp_path, monkeypatch):
  path = tmp_path / 'picture.png'
  figures.save(path, random_pixels(5, 7, 3))
  before = path.read_bytes()

  def fail(image, path, **_):
    path.write_bytes(b'half')
    raise OSError('the disk is full')

  monkeypatch.setattr(figures.Image.Image, 'save', fail)
  with pytest.raises(OSError, match='the disk is full'):
    figures.save(path, random_pixels(5, 7, 3))
  assert path.read_bytes() == before
  assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
  ('call', 'remedy'),
  [
    (lambda x: figures.grid(x[:0], columns=2), 'at least one image'),
    (lambda x: figures.grid(x[..., :2], columns=2), '1 or 3 channels'),
    (lambda x: figures.grid(x, columns=0), 'columns = 0'),
    (
      lambda x: figures.reconstructions(x, x[:, 1:], columns=2),
      'one of its own size',
    ),
    (lambda x: figures.development([]), 'at least one strip'),
    (lambda x: figures.development([(1, x[0]), (2, x[0, 1:])]), 'one size'),
  ],
)
def test_invalid_arguments_are_refused_with_a_remedy(call, remedy):
  with pytest.raises(ValueError, match=re.escape(remedy)):
    call(random_pixels(2, 8, 8, 3))
