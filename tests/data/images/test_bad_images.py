"""Every kind of bad image is converted, or left out, counted and named."""

import io
import json
import struct
import time
import zlib

import numpy as np
import pytest
from PIL import Image

from vaegan_jax.data import cache, storage
from vaegan_jax.data.images import decoding, skipping
from vaegan_jax.data.sources import celeba, folder

RAMP = np.arange(0, 240, 10, dtype=np.uint8).reshape(4, 6)
GREY = Image.fromarray(RAMP)


def encode(image, kind='PNG', **options):
  data = io.BytesIO()
  image.save(data, kind, **options)
  return data.getvalue()


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


def transparent(**options):
  image = GREY.convert('P')
  return encode(image, transparency=0, **options)


def rotated():
  exif = Image.Exif()
  exif[0x0112] = 6
  return encode(GREY, exif=exif.tobytes())


def tiff(array):
  return encode(Image.fromarray(array), 'TIFF')


# What becomes of a file: its height and width, or words of the reason.
KINDS = {
  'grey': (encode(GREY), (4, 6)),
  'grey and alpha': (encode(GREY.convert('LA')), (4, 6)),
  'colour and alpha': (encode(GREY.convert('RGBA')), (4, 6)),
  'cmyk': (encode(GREY.convert('CMYK'), 'JPEG'), (4, 6)),
  'palette': (encode(GREY.convert('P')), (4, 6)),
  'palette with transparency': (transparent(), (4, 6)),
  'animated palette': (
    encode(GREY.convert('P'), 'GIF', save_all=True, append_images=[GREY]),
    (4, 6),
  ),
  '1 bit': (encode(GREY.convert('1')), (4, 6)),
  '16 bits': (encode(Image.fromarray(RAMP.astype('u2') * 256)), (4, 6)),
  '16 bits, big-endian': (tiff(RAMP.astype('>u2') * 256), (4, 6)),
  '32 bits': (tiff(RAMP.astype('i4') * 256), (4, 6)),
  'one pixel': (encode(GREY.resize((1, 1))), (1, 1)),
  'on its side': (rotated(), (6, 4)),
  'png named jpg': (encode(GREY), (4, 6)),
  'float': (tiff(RAMP.astype('f4')), 'floating point'),
  'truncated': (encode(GREY, 'JPEG')[:-200], 'no whole image'),
  'empty': (b'', 'empty'),
  'text': (b'<html>404 not found</html>', 'no whole image of JPEG, PNG'),
  'program': (b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n', 'PNG'),
  'bomb': (bomb(9000, 9000), '9000 x 9000 pixels are more than'),
  'larger bomb': (bomb(2**31 - 1, 0), 'no whole image'),
}  # fmt: skip
GOOD = [
  kind for kind, (_, outcome) in KINDS.items() if isinstance(outcome, tuple)
]
BAD = [kind for kind in KINDS if kind not in GOOD]


@pytest.mark.parametrize('channels', [1, 3])
@pytest.mark.parametrize('kind', GOOD)
def test_it_is_converted(kind, channels):
  data, shape = KINDS[kind]
  pixels = decoding.decode(data, channels=channels)
  assert pixels.dtype == np.uint8
  assert pixels.shape == (*shape, channels)
  if kind.startswith(('grey', 'colour', '16', '32')):
    np.testing.assert_array_equal(pixels[..., 0], RAMP)


@pytest.mark.parametrize('kind', BAD)
def test_it_is_refused_by_name_with_a_reason(kind):
  data, why = KINDS[kind]
  with pytest.raises(skipping.Broken, match=why) as error:
    decoding.decode(data, name='a.jpg')
  assert error.value.name == 'a.jpg'
  assert '0x' not in str(error.value)  # the same words at each start


def test_a_bomb_is_refused_before_it_is_decoded(monkeypatch):
  data, _ = KINDS['bomb']
  assert len(data) < 20_000
  start = time.perf_counter()
  with pytest.raises(skipping.Broken):
    decoding.decode(data)
  assert time.perf_counter() - start < 0.1
  monkeypatch.setattr(decoding, 'MOST_PIXELS', 9000**2)
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
  return tmp_path / 'pictures'


def load(source, tmp_path, split='train'):
  return cache.load(
    source, split=split, directory=tmp_path / 'cache', progress=False
  )


def test_too_many_stop_the_build_and_leave_nothing(pictures, tmp_path):
  with pytest.raises(ValueError, match='of folder train') as error:
    load(folder.Folder(pictures, (8, 8)), tmp_path)
  total = len(BAD) + 2 * len(GOOD)
  first = f'train/1/{list(KINDS).index(BAD[0]):02d}.jpg'
  for words in (
    f'{len(BAD)} of {total} images ({first}, ',
    f'{first}: its pixels are floating point',
    'go on without them by --config.data.skip_broken=True',
  ):
    assert words in str(error.value)
  left = [p for p in (tmp_path / 'cache').rglob('*') if p.is_file()]
  assert not left


def test_what_is_left_is_right_in_order_and_recorded(
  pictures, tmp_path, caplog, monkeypatch
):
  digests = set()
  for chunk_size in (256, 7, 1):
    monkeypatch.setattr(storage, '_CHUNK', chunk_size)
    source = folder.Folder(pictures, (8, 8), skip_broken=True)
    data = load(source, tmp_path / str(chunk_size))
    digests.add(data.digest)
  names = [n for n in source._names['train'] if kind_of(n) in GOOD]
  assert len(data.images) == len(names) == 2 * len(GOOD)
  for name, pixels in zip(names, data.images, strict=True):
    np.testing.assert_array_equal(pixels, source._image(name))
  assert len(digests) == 1
  assert f'{len(BAD)} of {len(BAD) + len(names)} images' in caplog.text
  (about,) = (tmp_path / '1').rglob('about.json')
  recorded = dict(json.loads(about.read_text())['skipped'])
  assert [kind_of(name) for name in recorded] == BAD
  assert all(KINDS[kind_of(name)][1] in why for name, why in recorded.items())


def kind_of(name):
  return list(KINDS)[int(name[-6:-4])]


def test_each_later_start_warns_again_and_may_refuse(
  pictures, tmp_path, caplog
):
  source = folder.Folder(pictures, (8, 8), skip_broken=True)
  load(source, tmp_path)
  caplog.clear()
  load(source, tmp_path)
  assert caplog.text.count('They are left out') == 1
  with pytest.raises(ValueError, match=r'--config\.data\.skip_broken=True'):
    load(folder.Folder(pictures, (8, 8)), tmp_path)


def test_an_image_that_is_mended_is_used(pictures, tmp_path):
  source = folder.Folder(pictures, (8, 8), skip_broken=True)
  before = load(source, tmp_path)
  for kind in BAD[1:]:
    for path in pictures.rglob(f'{list(KINDS).index(kind):02d}.jpg'):
      path.write_bytes(encode(GREY))
  after = load(folder.Folder(pictures, (8, 8), skip_broken=True), tmp_path)
  assert len(after.images) == len(before.images) + len(BAD) - 1


def test_attributes_stay_with_their_images(pictures, tmp_path):
  source = folder.Folder(pictures, (8, 8), skip_broken=True)
  names = source._names['train']
  lines = [f'{name},{place}' for place, name in enumerate(names)]
  del lines[1], lines[-1]  # of good ones; another is of no image
  text = '\n'.join(['path,place', *lines, 'gone.jpg,99'])
  (pictures / 'attributes.csv').write_text(text)
  source = folder.Folder(pictures, (8, 8), skip_broken=True)
  data = load(source, tmp_path)
  places = data.attributes[:, 0].astype(int)
  assert len(places) == len(data.images) == 2 * len(GOOD) - 2
  assert 1 not in places
  for place, pixels in zip(places, data.images, strict=True):
    np.testing.assert_array_equal(pixels, source._image(names[place]))


def test_if_not_one_can_be_used_skipping_does_not_help(tmp_path):
  (tmp_path / 'train').mkdir()
  for number in range(3):
    (tmp_path / 'train' / f'{number}.jpg').write_bytes(b'no image')
  with pytest.raises(ValueError, match='3 of 3 images') as error:
    load(folder.Folder(tmp_path, (8, 8), skip_broken=True), tmp_path)
  assert 'skip_broken' not in str(error.value)


def numbered(broken, asked=None):
  """Reads images full of their numbers; some are broken."""

  def read(start, stop):
    if asked is not None:
      asked.append(start)
    for number in range(start, stop):
      if number in broken:
        raise skipping.Broken(f'{number}.jpg', 'eaten by a dog')
    numbers = np.arange(start, stop).astype(np.uint8)
    return np.broadcast_to(
      numbers[:, None, None, None], (stop - start, 8, 8, 1)
    )

  return read


def write(path, length, read, **settings):
  storage.write(
    path,
    shape=(length, 8, 8, 1),
    read=read,
    attributes=np.arange(length)[:, None],
    about={},
    label='numbers',
    progress=False,
    **settings,
  )


def test_one_in_a_thousand_is_left_out_with_no_question(tmp_path):
  broken = (0, 255, 256, 2999)
  write(tmp_path / 'some', 3000, numbered(broken[:3]))
  stored = storage.read(tmp_path / 'some', about={}, verify=True)
  kept = np.delete(np.arange(3000), broken[:3])
  np.testing.assert_array_equal(stored.images[:, 0, 0, 0], kept % 256)
  np.testing.assert_array_equal(stored.attributes[:, 0], kept)
  assert [str(error) for error in stored.skipped] == [
    f'{number}.jpg: eaten by a dog' for number in broken[:3]
  ]
  size = (tmp_path / 'some' / 'images.npy').stat().st_size
  assert size == 128 + 2997 * 64
  with pytest.raises(ValueError, match=r'4 of 3000 images .* of numbers'):
    write(tmp_path / 'more', 3000, numbered(broken))
  assert not (tmp_path / 'more').exists()


def test_the_build_stops_as_soon_as_too_many_are_broken(tmp_path):
  asked = []
  with pytest.raises(ValueError, match='of 100000 images'):
    write(tmp_path / 'all', 100_000, numbered(range(100_000), asked))
  assert len(asked) < 10_000


def test_a_few_missing_files_of_celeba_are_left_out(
  tmp_path, caplog, monkeypatch
):
  monkeypatch.setattr(skipping, 'TOLERATED', 0.1)
  image = Image.new('RGB', (178, 218), (10, 20, 30))
  root = tmp_path / 'img_align_celeba'
  root.mkdir()
  for number in range(9):
    (root / f'{number}.jpg').write_bytes(encode(image, 'JPEG'))
  rows = ''.join(f'{number}.jpg 0\n' for number in range(10))
  (tmp_path / 'list_eval_partition.txt').write_text(rows)
  data = load(celeba.CelebA(tmp_path, (8, 8)), tmp_path)
  assert len(data.images) == 9
  assert '1 of 10 images (9.jpg) of celeba train' in caplog.text
  assert 'list_eval_partition.txt lists it' in caplog.text
  (root / '1.jpg').unlink()
  with pytest.raises(ValueError, match='2 of 10 images'):
    celeba.CelebA(tmp_path, (8, 8)).length('train')
