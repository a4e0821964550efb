"""Every unusual image is converted, or left out, counted and named."""

import json
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from tests.data.images.packing import encode, jpeg, make_folder
from tests.data.numbered import Numbered, load, only
from vaegan_jax.data import building
from vaegan_jax.data.images import decoding, defects
from vaegan_jax.data.sources import celeba, folder

RAMP = np.arange(0, 240, 10, dtype=np.uint8).reshape(4, 6)
GREY = Image.fromarray(RAMP)


def chunk(name, body):
  check = zlib.crc32(name + body).to_bytes(4, 'big')
  return len(body).to_bytes(4, 'big') + name + body + check


def bomb(side, rows):
  """A png of a few kilobytes of side x side pixels, if all rows are there."""
  header = struct.pack('>IIBBBBB', side, side, 1, 0, 0, 0, 0)
  return b''.join(
    [
      b'\x89PNG\r\n\x1a\n',
      chunk(b'IHDR', header),
      chunk(b'IDAT', zlib.compress(bytes(rows * (side // 8 + 1)))),
      chunk(b'IEND', b''),
    ]
  )


def tiff(array):
  return encode(Image.fromarray(array), 'TIFF')


SIDEWAYS = Image.Exif()
SIDEWAYS[0x0112] = 6

# A file, and its height and width or words of the error.
KINDS = {
  'grey': (encode(GREY), (4, 6)),
  'grey and alpha': (encode(GREY.convert('LA')), (4, 6)),
  'colour and alpha': (encode(GREY.convert('RGBA')), (4, 6)),
  'cmyk': (encode(GREY.convert('CMYK'), 'JPEG'), (4, 6)),
  'palette': (encode(GREY.convert('P')), (4, 6)),
  'palette with transparency': (
    encode(GREY.convert('P'), transparency=0),
    (4, 6),
  ),
  'animated palette': (
    encode(GREY.convert('P'), 'GIF', save_all=True, append_images=[GREY]),
    (4, 6),
  ),
  '1 bit': (encode(GREY.convert('1')), (4, 6)),
  '16 bits': (encode(Image.fromarray(RAMP.astype('u2') * 256 + 77)), (4, 6)),
  '16 bits, big-endian': (tiff(RAMP.astype('>u2') * 256), (4, 6)),
  'one pixel': (encode(GREY.resize((1, 1))), (1, 1)),
  'on its side': (encode(GREY, exif=SIDEWAYS.tobytes()), (6, 4)),
  'large profile': (encode(GREY, icc_profile=bytes(3 << 20)), (4, 6)),
  'gif': (encode(GREY, 'GIF'), (4, 6)),
  'jpeg 2000': (encode(GREY, 'JPEG2000'), (4, 6)),
  'tga': (encode(GREY, 'TGA'), (4, 6)),
  'bmp': (encode(GREY.convert('RGB'), 'BMP'), (4, 6)),
  'webp and alpha': (encode(GREY.convert('RGBA'), 'WEBP'), (4, 6)),
  'float': (tiff(RAMP.astype('f4')), 'floating point'),
  '32 bits': (tiff(RAMP.astype('i4') * 256), 'integers of 32 bits'),
  'truncated': (encode(GREY, 'JPEG')[:-200], 'not a valid image'),
  'empty': (b'', 'empty'),
  'text': (b'404 not found', 'not a valid image of JPEG, PNG'),
  'web page': (b'\n<!DOCTYPE html>', 'not a valid image, but a web page'),
  'lfs': (b'version https://git-lfs.github.com/spec/v1', 'run git lfs pull'),
  'heic': (b'\0\0\0\x18ftypheic\0\0', 'convert it to JPEG'),
  'program': (b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n', 'PNG'),
  'bomb': (bomb(9000, 9000), '9000 x 9000 pixels are more than'),
  'larger bomb': (bomb(2**31 - 1, 0), 'not a valid image'),
}  # fmt: skip
GOOD = [
  kind for kind, (_, outcome) in KINDS.items() if isinstance(outcome, tuple)
]
BAD = [kind for kind in KINDS if kind not in GOOD]


@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize('kind', GOOD)
def test_unusual_images_are_converted(kind, channels):
  data, shape = KINDS[kind]
  pixels = decoding.decode(data, channels=channels)
  assert pixels.dtype == np.uint8
  assert pixels.shape == (*shape, channels)
  if kind.startswith(('grey', 'colour', '16', '32')):
    np.testing.assert_array_equal(pixels[..., 0], RAMP)


@pytest.mark.parametrize('kind', BAD)
def test_bad_images_are_refused_by_name_with_a_reason(kind):
  data, why = KINDS[kind]
  with pytest.raises(defects.BrokenImage, match=why) as error:
    decoding.decode(data, name='a.jpg')
  assert error.value.name == 'a.jpg'
  assert '0x' not in str(error.value)  # equal messages at every start


def test_a_bomb_is_refused_before_it_is_decoded(monkeypatch):
  data, _ = KINDS['bomb']
  assert len(data) < 20_000
  start = time.perf_counter()
  with pytest.raises(defects.BrokenImage):
    decoding.decode(data)
  assert time.perf_counter() - start < 0.1
  monkeypatch.setattr(decoding, 'MAX_PIXELS', 9000**2)
  assert decoding.decode(data, channels=1).shape == (9000, 9000, 1)


@pytest.fixture
def pictures(tmp_path):
  """A folder with one file of each kind, and every good one twice."""
  root = tmp_path / 'pictures' / 'train'
  for number, (kind, (data, _)) in enumerate(KINDS.items()):
    for copy in (1, 2)[: 1 + (kind in GOOD)]:
      # The same name in two folders is two images.
      path = root / str(copy) / f'{number:02d}.jpg'
      path.parent.mkdir(parents=True, exist_ok=True)
      path.write_bytes(data)
  make_folder(tmp_path / 'pictures', {'test/1.png': encode(GREY)})
  return tmp_path / 'pictures'


def test_too_many_bad_images_stop_the_build(pictures, tmp_path):
  where = tmp_path / 'cache'
  with pytest.raises(ValueError, match=r'^\d+ of .* of folder train') as error:
    load(folder.Folder(pictures, (8, 8)), where)
  total = len(BAD) + 2 * len(GOOD)
  first = f'train/1/{list(KINDS).index(BAD[0]):02d}.jpg'
  for words in (
    f'{len(BAD)} of {total} images ({first}, ',
    f'{first}: its pixels are floating point',
    'leave them out with --config.data.skip_broken=True',
  ):
    assert words in str(error.value)
  assert not [path for path in where.rglob('*') if path.is_file()]


def test_the_good_images_are_kept_in_order_and_the_others_recorded(
  pictures, tmp_path, caplog, monkeypatch
):
  digests = set()
  for chunk_size in (256, 7, 1):
    monkeypatch.setattr(building, '_CHUNK', chunk_size)
    source = folder.Folder(pictures, (8, 8), skip_broken=True)
    data = load(source, tmp_path / str(chunk_size))
    digests.add(data.digest)
  names = [n for n in source._names('train') if kind_of(n) in GOOD]
  assert len(data.images) == len(names) == 2 * len(GOOD)
  for name, pixels in zip(names, data.images, strict=True):
    np.testing.assert_array_equal(pixels, source._read(name))
  assert len(digests) == 1
  assert f'{len(BAD)} of {len(BAD) + len(names)} images' in caplog.text
  assert f'{only(tmp_path / "1", "about.json")} names all.' in caplog.text
  about = json.loads(only(tmp_path / '1', 'about.json').read_text())
  recorded = dict(about['skipped'])
  assert [kind_of(name) for name in recorded] == BAD
  assert all(KINDS[kind_of(name)][1] in why for name, why in recorded.items())


def kind_of(name):
  return list(KINDS)[int(name[-6:-4])]


def test_every_load_warns_and_may_refuse(tmp_path, caplog):
  load(Numbered(broken=(1,), skip_broken=True), tmp_path)
  caplog.clear()
  load(Numbered(broken=(1,), skip_broken=True), tmp_path)
  assert caplog.text.count('They are left out') == 1
  with pytest.raises(ValueError, match=r'--config\.data\.skip_broken=True'):
    load(Numbered(broken=(1,)), tmp_path)


def test_attributes_stay_with_their_images(pictures, tmp_path):
  source = folder.Folder(pictures, (8, 8), skip_broken=True)
  names = source._names('train')
  lines = [f'{name},{place}' for place, name in enumerate(names)]
  del lines[1], lines[-1]  # good images; another row is of no image
  text = '\n'.join(['path,place', *lines, 'gone.jpg,99'])
  (pictures / 'attributes.csv').write_text(text)
  source = folder.Folder(pictures, (8, 8), skip_broken=True)
  data = load(source, tmp_path)
  places = data.attributes[:, 0].astype(int)
  assert len(places) == len(data.images) == 2 * len(GOOD) - 2
  assert 1 not in places
  for place, pixels in zip(places, data.images, strict=True):
    np.testing.assert_array_equal(pixels, source._read(names[place]))


def test_a_split_without_any_good_image_is_refused(tmp_path):
  source = Numbered(images=3, broken=(0, 1, 2), skip_broken=True)
  with pytest.raises(ValueError, match='3 of 3 images') as error:
    load(source, tmp_path)
  assert 'skip_broken' not in str(error.value)


def test_a_thousandth_of_the_images_may_be_broken(tmp_path, caplog):
  broken = (0, 255, 256, 2999)
  data = load(Numbered(images=3000, broken=broken[:3]), tmp_path / 'some')
  kept = np.delete(np.arange(3000), broken[:3])
  np.testing.assert_array_equal(data.images[:, 0, 0, 0], kept % 256)
  np.testing.assert_array_equal(data.attributes[:, 0], kept)
  assert '(0.jpg, 255.jpg, 256.jpg) of numbered:x/y train' in caplog.text
  assert '0.jpg: eaten by a dog' in caplog.text
  size = only(tmp_path / 'some', 'images.npy').stat().st_size
  assert size == 128 + 2997 * 64
  with pytest.raises(ValueError, match=r'4 of 3000 images'):
    load(Numbered(images=3000, broken=broken), tmp_path / 'more')
  assert not [p for p in (tmp_path / 'more').rglob('*') if p.is_file()]


def test_a_summary_lists_at_most_three_names():
  assert defects.summarize('abc', 9) == '3 of 9 images (a, b, c)'
  assert defects.summarize('abcd', 9) == '4 of 9 images (a, b, c, ...)'


def test_the_build_stops_as_soon_as_too_many_are_broken(tmp_path):
  calls = []
  source = Numbered(images=100_000, broken=range(100_000), calls=calls)
  with pytest.raises(ValueError, match=r'^at least .* of 100000 images'):
    load(source, tmp_path)
  assert len(calls) < 10_000


def test_a_few_missing_files_of_celeba_are_left_out(
  tmp_path, caplog, monkeypatch
):
  monkeypatch.setattr(defects, 'TOLERATED', 0.1)
  root = tmp_path / 'img_align_celeba'
  image = jpeg(1, (178, 218))
  make_folder(root, {f'{number}.jpg': image for number in range(9)})
  rows = ''.join(f'{number}.jpg 0\n' for number in range(10))
  (tmp_path / 'list_eval_partition.txt').write_text(rows)
  data = load(celeba.CelebA(tmp_path, (8, 8)), tmp_path)
  assert len(data.images) == 9
  assert '1 of 10 images (9.jpg) of celeba train' in caplog.text
  assert 'list_eval_partition.txt lists it' in caplog.text
  (root / '1.jpg').unlink()
  with pytest.raises(ValueError, match='2 of 10 images'):
    celeba.CelebA(tmp_path, (8, 8)).length('train')
