import numpy as np
import pytest

from vaegan_jax.data import looks

NOISE = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3), np.uint8)
FLAT = np.where(np.arange(40)[:, None, None, None] < 9, NOISE[:, :1, :1], NOISE)


@pytest.mark.parametrize(
  ('pixels', 'complaint'),
  [
    (NOISE // 16, 'nearly black: almost no value is above 15 of 255'),
    (255 - NOISE // 16, 'nearly white: almost no value is below 240'),
    (FLAT, '9 of 40 have only one colour'),
    (np.concatenate([NOISE, NOISE[:5]]), '5 of 45 repeat another one'),
  ],
  ids=['black', 'white', 'flat', 'copies'],
)
def test_odd_images_are_described(pixels, complaint):
  [found] = looks.complaints(pixels.astype(np.uint8))
  assert complaint in found


def test_a_few_odd_images_are_nothing_to_complain_of():
  pixels = NOISE.copy()
  pixels[:4] = 0
  assert not [*looks.complaints(pixels)]


def test_copies_are_counted_only_if_every_byte_is_equal():
  others = NOISE.copy()
  others[3, 5, 5, 1] ^= 1  # no value that is compared first
  assert looks.count_copies(NOISE[:9], others) == 8
  assert looks.count_copies(NOISE[[0, 0, 1]], NOISE[5:]) == 0
  assert looks.count_copies(NOISE[[0, 0, 1]], NOISE) == 3
