"""Tables and pictures that may hold anything: a right result or ValueError."""

import numpy as np
import pytest
from hypothesis import strategies as st
from PIL import Image

from tests import fuzzing
from vaegan_jax.data.images import decoding, label_tables

# Of Pillow about odd tags.
pytestmark = pytest.mark.filterwarnings(
  'ignore::UserWarning', 'ignore::RuntimeWarning'
)

bounded = fuzzing.bounded

TABLES = [
  b'202599\nBald Male\n1.jpg  1 -1\n2.jpg -1 1\n',
  b'image_id,Bald,Male\r\n1.jpg,1,-1\r\n"2.jpg",-1,1\r\n',
  '\ufeffpath,größe\nä.jpg,1e3\n'.encode(),
]


def read_table(path, tabs):
  table = label_tables.by_name(label_tables.rows(path, tabs=tabs), path=path)
  return label_tables.lookup(table, ['1.jpg', '3.jpg'], columns=2, path=path)


@fuzzing.fuzz(fuzzing.mutated(TABLES) | st.binary(max_size=200))
def test_any_table(data, folder):
  for name, tabs in (('x.csv', False), ('x.txt', False), ('x.txt', True)):
    (folder / name).write_bytes(data)
    values = fuzzing.survives(read_table, folder / name, tabs)
    if values is not None:
      assert values.shape == (2, 2)
      assert np.isfinite(values).all()


def test_a_table_with_an_endless_cell_is_refused(tmp_path):
  path = tmp_path / 'x.csv'
  path.write_text('"' + 'x' * 200_000)
  with pytest.raises(ValueError, match=r'x\.csv is no table .*field larger'):
    list(label_tables.rows(path))


NUMBERS = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
PICTURE = Image.fromarray(NUMBERS.repeat(4, 0).repeat(4, 1))
EXIF = Image.Exif()
EXIF[0x0112] = 6
PICTURES = [
  fuzzing.saved(PICTURE.convert(mode).save, kind, **options)
  for mode, kind, options in (
    ('RGB', 'JPEG', {'exif': EXIF.tobytes()}),
    ('CMYK', 'JPEG', {'progressive': True}),
    ('RGB', 'PNG', {'exif': EXIF.tobytes()}),
    ('P', 'PNG', {'transparency': 0}),
    ('I', 'TIFF', {}),
    ('RGBA', 'WEBP', {'exif': EXIF.tobytes()}),
    ('RGB', 'BMP', {}),
    ('P', 'GIF', {}),
    ('RGB', 'TIFF', {'compression': 'tiff_lzw'}),
    ('F', 'TIFF', {}),
    ('1', 'PPM', {}),
  )
]


@fuzzing.fuzz(fuzzing.mutated(PICTURES))
def test_any_picture(data, folder):
  for channels in (1, 3):
    pixels = fuzzing.survives(decoding.decode, data, channels=channels)
    if pixels is not None:
      assert pixels.dtype == np.uint8
      assert pixels.shape[2] == channels
      assert pixels.shape[0] * pixels.shape[1] <= decoding.MOST_PIXELS
