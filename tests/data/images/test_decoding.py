import numpy as np
import pytest
from PIL import Image

from tests.data.images.packing import encode
from vaegan_jax.data.images import decoding, defects

RAMP = np.arange(0, 240, 10, dtype=np.uint8).reshape(4, 6)


def test_palette_images_get_the_colours_of_the_palette():
  colours = np.zeros((4, 6, 3), np.uint8)
  colours[:2] = (200, 30, 90)
  image = Image.fromarray(colours).quantize(2)
  np.testing.assert_array_equal(decoding.decode(encode(image)), colours)


def test_transparent_pixels_lie_over_white():
  image = Image.new('RGBA', (2, 1), (0, 0, 0, 0))
  image.putpixel((1, 0), (10, 20, 30, 255))
  pixels = decoding.decode(encode(image))
  np.testing.assert_array_equal(pixels[0], [[255] * 3, [10, 20, 30]])


def test_cmyk_ink_is_dark():
  paper = Image.new('CMYK', (8, 8), (0, 0, 0, 0))
  ink = Image.new('CMYK', (8, 8), (0, 0, 0, 255))
  assert decoding.decode(encode(paper, 'JPEG')).min() > 250
  assert decoding.decode(encode(ink, 'JPEG')).max() < 5


def test_rotated_photographs_are_turned_upright():
  exif = Image.Exif()
  exif[0x0112] = 6  # orientation: turn by 90 degrees clockwise
  data = encode(Image.fromarray(RAMP), exif=exif.tobytes())
  pixels = decoding.decode(data, channels=1)
  np.testing.assert_array_equal(pixels[..., 0], np.rot90(RAMP, -1))


@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'WEBP', 'BMP'])
def test_half_a_file_is_refused(kind):
  noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
  data = encode(Image.fromarray(noise), kind)
  decoding.decode(data)
  for broken in (data[: len(data) // 2], b'', b'<html>not found</html>'):
    with pytest.raises(defects.BrokenImage, match=r'x\.jpg: .*not a valid'):
      decoding.decode(broken, name='x.jpg')


def test_other_numbers_of_channels_are_refused():
  with pytest.raises(ValueError, match='channels'):
    decoding.decode(b'', channels=4)


@pytest.mark.parametrize(('mode', 'kind'), [('I', 'integers'), ('F', 'float')])
def test_numbers_of_unknown_range_are_refused(mode, kind):
  data = encode(Image.new(mode, (3, 2), 100), 'TIFF')
  with pytest.raises(defects.BrokenImage, match=f'{kind}.* range is unknown'):
    decoding.decode(data)


def test_sixteen_bits_keep_the_high_ones():
  wide = Image.fromarray(RAMP.astype(np.uint16) << 8)
  np.testing.assert_array_equal(
    decoding.decode(encode(wide), channels=1)[..., 0], RAMP
  )


def test_too_little_memory_does_not_make_an_image_broken(monkeypatch):
  def exhaust(*_, **__):
    raise MemoryError

  monkeypatch.setattr(decoding, 'to_pixels', exhaust)
  with pytest.raises(MemoryError, match=r'b\.png: too little memory'):
    decoding.decode(encode(Image.new('L', (3, 2))), name='b.png')
