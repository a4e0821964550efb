import re

import numpy as np
import pytest
from PIL import Image

from vaegan_jax import inference
from vaegan_jax.core import curves
from vaegan_jax.report import walks


def normal(*shape, seed=0):
  return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def lengths(codes):
  return np.linalg.norm(codes, axis=-1)


def steps(curve):
  """Returns the distance from each point of a closed curve to the next."""
  return lengths(np.roll(curve, -1, axis=0) - curve)


class TwoToneModel(inference.Model):
  """Decodes a code of 16 to an 8x8 image with two levels, one per half."""

  def __init__(self):
    self.latent_size = 16

  def sample_prior(self, n, *, seed=0):
    return normal(n, self.latent_size, seed=seed)

  def decode(self, codes, attributes=None):
    numbers = codes if attributes is None else attributes
    levels = np.clip(128 + 40 * numbers[:, :2], 0, 255).astype(np.uint8)
    return levels.repeat(32, 1).reshape(-1, 8, 8, 1).repeat(3, -1)

  def encode(self, images, attributes=None):
    numbers = images.reshape(len(images), -1)[:, : self.latent_size]
    return (numbers / 64).astype(np.float32)


def test_every_point_of_a_loop_is_a_draw_of_the_prior():
  walked = curves.loop(normal(6, 2000, 8), frames=5)
  for points in walked:
    np.testing.assert_allclose(points.mean(0), 0, atol=0.1)
    np.testing.assert_allclose(np.cov(points.T), np.eye(8), atol=0.15)


def test_a_loop_is_closed_even_and_wide_at_the_typical_radius():
  walked = curves.loop(normal(6, 4, 256), frames=90)
  np.testing.assert_allclose(lengths(walked), np.sqrt(256), rtol=0.2)
  assert steps(walked).max() < 1.5 * steps(walked).min()
  distances = lengths(walked[:, None] - walked)
  assert (distances.max((0, 1)) > 1.2 * np.sqrt(256)).all()


def test_a_visit_passes_each_stop_and_returns():
  stops = normal(3, 2, 16)
  codes = curves.visit(stops, frames=10)
  assert codes.shape == (30, 2, 16)
  np.testing.assert_allclose(codes[::10], stops, atol=1e-5)
  assert steps(codes).max() < 0.3 * steps(stops).min()  # no jumps


def test_a_visit_is_slowest_at_its_stops():
  speed = steps(curves.visit(normal(2, 1, 64), frames=20))[:, 0]
  assert max(speed[0], speed[19]) < 0.2 * speed[10]


def test_lengths_change_in_proportion_and_directions_evenly():
  start = np.array([[2.0, 0.0, 0.0]], np.float32)
  end = np.array([[0.0, 4.0, 0.0]], np.float32)
  share = np.linspace(0, 1, 4, dtype=np.float32)
  codes = curves.interpolate(start, end, share=share)[:, 0]
  np.testing.assert_allclose(lengths(codes), 2 + 2 * share, rtol=1e-5)
  angles = np.degrees(np.arctan2(codes[:, 1], codes[:, 0]))
  np.testing.assert_allclose(angles, [0, 30, 60, 90], atol=1e-3)


@pytest.mark.parametrize('factor', [0.0, 1.0, 3.0])
def test_codes_in_one_direction_are_joined_by_a_line(factor):
  start = normal(1, 8)
  share = np.array([0, 0.5, 1], np.float32)
  codes = curves.interpolate(start, factor * start, share=share)
  expected = start * (1 + share * (factor - 1))[:, None]
  np.testing.assert_allclose(codes[:, 0], expected, atol=1e-3)


def test_a_random_walk_is_the_same_for_more_walkers():
  few, more = (TwoToneModel().walk(5, walkers=n, seed=3) for n in (2, 4))
  assert few.shape == (5, 2, 8, 8, 3)
  np.testing.assert_array_equal(few, more[:, :2])
  other = TwoToneModel().walk(5, walkers=2, seed=4)
  assert (few != other).any()


def test_each_walker_keeps_its_attributes():
  attributes = np.array([[0, 1], [-1, 2], [3, 0]], np.float32)
  made = TwoToneModel().walk(4, walkers=3, attributes=attributes)
  levels = made[..., [0, 4], 0, 0]
  assert levels.shape == (4, 3, 2)
  np.testing.assert_array_equal(levels, [128 + 40 * attributes] * 4)


def test_each_walker_tours_its_own_images():
  images = np.zeros((4, 8, 8, 3), np.uint8)
  images += np.array([64, 128, 0, 192], np.uint8)[:, None, None, None]
  made = walks.tour(TwoToneModel(), images, walkers=2, frames=6)
  assert made.shape == (12, 2, 8, 8, 3)
  levels = made[[0, 6]][..., 0, 0, 0]
  np.testing.assert_array_equal(levels, [[168, 128], [208, 248]])


@pytest.mark.parametrize(('images', 'walkers'), [(5, 2), (2, 2), (0, 1)])
def test_unequal_shares_of_images_are_refused(images, walkers):
  held_out = np.zeros((images, 8, 8, 3), np.uint8)
  with pytest.raises(ValueError, match=f'{images} images for {walkers}'):
    walks.tour(TwoToneModel(), held_out, walkers=walkers, frames=4)


def frames_of(path):
  with Image.open(path) as image:
    frames = []
    for number in range(image.n_frames):
      image.seek(number)
      frames.append(np.asarray(image.convert('RGB'), np.int16))
    return frames, image.info


@pytest.mark.parametrize('channels', [1, 3])
def test_a_gif_holds_every_frame_in_colour_and_repeats(tmp_path, channels):
  # Smooth pictures, as faces are.
  grid = np.stack(np.meshgrid(*[np.linspace(0, 255, 16)] * 2), -1)
  frames = [(grid * (k + 1) / 8).astype(np.uint8) for k in range(8)]
  pixels = np.stack([np.concatenate([f, f[..., :1]], -1) for f in frames])
  made = pixels[:, None, ..., :channels].repeat(3, 1)
  path = tmp_path / 'new' / 'walk.gif'
  walks.save(path, made, columns=2, seconds=0.8)
  read, info = frames_of(path)
  assert len(read) == 8
  assert (info['loop'], info['duration']) == (0, 100)
  assert [p.name for p in path.parent.iterdir()] == ['walk.gif']
  for frame, expected in zip(read, made, strict=True):
    assert frame.shape == (196, 196, 3)
    error = np.abs(frame[:96:6, :96:6] - expected[0].astype(np.int16))
    assert error.mean() < 6
    assert (frame[100:, 100:] > 250).all()  # white: there is no fourth walker


def test_a_still_face_does_not_flicker(tmp_path):
  still = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
  moving = np.stack([np.roll(still, k, axis=0) for k in range(6)])
  both = np.stack([np.stack([still] * 6), moving], axis=1)
  walks.save(tmp_path / 'walk.gif', both, columns=2, seconds=1)
  read, _ = frames_of(tmp_path / 'walk.gif')
  assert len(read) == 6
  for frame in read[1:]:
    np.testing.assert_array_equal(frame[:, :96], read[0][:, :96])


def test_frames_too_fast_for_browsers_are_refused(tmp_path):
  still = np.zeros((100, 1, 8, 8, 3), np.uint8)
  with pytest.raises(ValueError, match=re.escape('100 frames in 1 s')):
    walks.save(tmp_path / 'walk.gif', still, columns=1, seconds=1)
  assert not list(tmp_path.iterdir())
