import numpy as np
import pytest
from PIL import Image

from tests import SHARED
from tests.data.images.packing import jpeg, make_folder, make_zip, numbers
from vaegan_jax.data import cache, sources
from vaegan_jax.data.images import defects
from vaegan_jax.data.sources import celeba

IMAGES = SHARED / 'celeba'
NAMES = [f'{number:06d}.jpg' for number in range(1, 11)]
PARTS = [0, 0, 0, 0, 0, 0, 1, 1, 2, 2]
ATTRIBUTES = [[1, -1], [-1, 1]] * 5


FILES = {name: jpeg(i, (178, 218)) for i, name in enumerate(NAMES)}


def write_lists(folder, kind='txt'):
  rows = [(n, str(p)) for n, p in zip(NAMES, PARTS, strict=True)]
  marks = [(n, *map(str, a)) for n, a in zip(NAMES, ATTRIBUTES, strict=True)]
  if kind == 'csv':
    rows = [('image_id', 'partition'), *rows]
    marks = [('image_id', 'Bald', 'Male'), *marks]
  else:
    marks = [(str(len(NAMES)),), ('Bald', 'Male'), *marks]
  for stem, table in (
    ('list_eval_partition', rows),
    ('list_attr_celeba', marks),
  ):
    text = '\n'.join((',' if kind == 'csv' else '  ').join(r) for r in table)
    (folder / f'{stem}.{kind}').write_text(text + '\n')


def write_images(folder, nested=1):
  make_folder(folder / '/'.join(['img_align_celeba'] * nested), FILES)


def write_zip(folder):
  files = {f'img_align_celeba/{name}': data for name, data in FILES.items()}
  files |= {f'__MACOSX/img_align_celeba/._{n}': b'no image' for n in NAMES}
  make_zip(folder / 'img_align_celeba.zip', files)


def write_kaggle(folder):
  """Packs Kaggle's archive.zip: images in two folders, and the lists."""
  write_lists(folder, 'csv')
  lists = {p.name: p.read_bytes() for p in folder.glob('list_*.csv')}
  for name in lists:
    (folder / name).unlink()
  nested = f'{celeba._FOLDER}/{celeba._FOLDER}'
  files = {f'{nested}/{name}': data for name, data in FILES.items()}
  return make_zip(folder / 'archive.zip', {**files, **lists})


LAYOUTS = ['folder', 'nested', 'zip', 'zip itself', 'kaggle', 'kaggle itself']


@pytest.fixture(params=[*LAYOUTS, 'authors'])
def path(request, tmp_path):
  if request.param.startswith('kaggle'):
    packed = write_kaggle(tmp_path)
    return packed if request.param == 'kaggle itself' else tmp_path
  write_lists(tmp_path, 'csv' if request.param == 'nested' else 'txt')
  if request.param == 'authors':
    for name in ('Img', 'Anno', 'Eval'):
      (tmp_path / name).mkdir()
    write_zip(tmp_path / 'Img')
    for name in ('Anno/list_attr_celeba.txt', 'Eval/list_eval_partition.txt'):
      path = tmp_path / name
      (tmp_path / path.name).rename(path)
    return tmp_path
  if request.param.startswith('zip'):
    write_zip(tmp_path)
  else:
    write_images(tmp_path, nested=2 if request.param == 'nested' else 1)
  if request.param == 'zip itself':
    return tmp_path / 'img_align_celeba.zip'
  return tmp_path


def test_every_layout_holds_the_same_images(path):
  source = celeba.CelebA(path)
  assert numbers(source, 'train') == list(range(8))
  assert numbers(source, 'test') == [8, 9]
  assert source.attribute_names == ('Bald', 'Male')
  np.testing.assert_array_equal(source.attributes('test'), [[1, 0], [0, 1]])


def test_a_zip_and_its_folder_share_a_fingerprint(tmp_path):
  prints = []
  for write in (write_zip, write_images):
    folder = tmp_path / write.__name__
    folder.mkdir()
    write_lists(folder)
    write(folder)
    prints.append(celeba.CelebA(folder).fingerprint())
  assert prints[0] == prints[1]


@pytest.fixture
def whole(tmp_path):
  write_lists(tmp_path)
  write_images(tmp_path)
  return tmp_path


def test_the_splits_are_disjoint_and_test_images_are_never_trained_on(whole):
  source = celeba.CelebA(whole, train_on_validation=False)
  splits = [numbers(source, split) for split in sources.SPLITS]
  assert splits == [[0, 1, 2, 3, 4, 5], [6, 7], [8, 9]]
  for flag in (True, False):
    trained = numbers(celeba.CelebA(whole, train_on_validation=flag), 'train')
    assert not set(trained) & {8, 9}


def test_validation_is_empty_if_its_images_are_in_train(whole):
  with pytest.raises(ValueError, match='set train_on_validation to False'):
    celeba.CelebA(whole).length('validation')


def test_the_crop_is_rows_40_to_188_and_columns_15_to_163(whole):
  pixels = np.zeros((218, 178, 3), np.uint8)
  pixels[40:188, 15:163] = 255
  path = whole / 'img_align_celeba' / NAMES[0]
  for image, inside in ((pixels, 255), (255 - pixels, 0)):
    Image.fromarray(image).save(path, 'PNG')  # exact; its name does not matter
    assert (celeba.CelebA(whole).read('train', 0, 1) == inside).all()


def test_images_have_the_size_of_the_source(whole):
  source = celeba.CelebA(whole, (32, 48))
  assert source.read('test', 0, 2).shape == (2, 32, 48, 3)


def test_attributes_are_optional(whole):
  (whole / 'list_attr_celeba.txt').unlink()
  source = celeba.CelebA(whole)
  assert source.attribute_names == ()
  assert source.attributes('train') is None


@pytest.mark.parametrize(
  'name', ['list_eval_partition.txt', 'img_align_celeba']
)
def test_a_missing_file_is_named_with_its_folder(whole, name):
  (whole / name).rename(whole / 'elsewhere')
  with pytest.raises(FileNotFoundError, match=name) as error:
    celeba.CelebA(whole).fingerprint()
  assert str(whole) in str(error.value)


def test_a_partial_set_of_images_is_counted_and_named(whole):
  for name in NAMES[3:]:
    (whole / 'img_align_celeba' / name).unlink()
  with pytest.raises(ValueError, match=r'5 of 8 images \(000004') as error:
    celeba.CelebA(whole).length('train')
  for words in ('lists it', 'fetch the images again', '--config.data.skip_br'):
    assert words in str(error.value)


def test_a_partial_list_of_attributes_is_counted_and_named(whole):
  path = whole / 'list_attr_celeba.txt'
  path.write_text('\n'.join(path.read_text().splitlines()[:5]))
  with pytest.raises(ValueError, match=r'5 of 8 images \(000004') as error:
    celeba.CelebA(whole).length('train')
  assert 'list_attr_celeba.txt has no row of it' in str(error.value)


def test_images_known_to_be_broken_are_refused_one_by_one(whole):
  (whole / 'img_align_celeba' / NAMES[1]).unlink()
  path = whole / 'list_attr_celeba.txt'
  rows = path.read_text().splitlines()
  path.write_text('\n'.join(row for row in rows if NAMES[2] not in row))
  source = celeba.CelebA(whole, skip_broken=True)
  assert source.length('train') == 8
  assert source.read('train', 0, 1).shape == (1, 64, 64, 3)
  for place, why in ((1, 'lacks it'), (2, 'no row of it')):
    with pytest.raises(defects.BrokenImage, match=f'{NAMES[place]}: .*{why}'):
      source.read('train', place, 4)


def test_a_list_of_attributes_without_names_is_refused(whole):
  (whole / 'list_attr_celeba.txt').write_text('202599\n')
  with pytest.raises(ValueError, match='names no attributes'):
    _ = celeba.CelebA(whole).attribute_names


def test_only_images_in_the_partition_are_used_and_others_counted(
  whole, caplog
):
  path = whole / 'list_eval_partition.txt'
  path.write_text('\n'.join(path.read_text().splitlines()[2:]))
  assert numbers(celeba.CelebA(whole), 'train') == [2, 3, 4, 5, 6, 7]
  assert '2 of 10 images (000001.jpg, 000002.jpg)' in caplog.text
  assert 'not in list_eval_partition.txt. They are left out.' in caplog.text


def test_a_damaged_list_in_a_zip_is_named(tmp_path):
  path = write_kaggle(tmp_path)
  data = bytearray(path.read_bytes())
  place = data.index(b'list_eval_partition.csv') + 40
  data[place : place + 9] = b'\xff' * 9
  path.write_bytes(data)
  with pytest.raises(ValueError, match=r'list_eval.*damaged in the zip'):
    celeba.CelebA(path).length('train')


def test_a_list_beside_a_zip_precedes_the_one_in_it(tmp_path):
  path = write_kaggle(tmp_path)
  rows = ''.join(f'{name},0\n' for name in NAMES[:3])
  (tmp_path / 'list_eval_partition.csv').write_text(rows)
  assert numbers(celeba.CelebA(path), 'train') == [0, 1, 2]


@pytest.mark.parametrize(
  'text', ['a.jpg 3\n', 'a.jpg .5\n', 'a.jpg nan\n', 'a.jpg x\n', '', '\n']
)
def test_an_invalid_partition_is_refused(whole, text):
  (whole / 'list_eval_partition.txt').write_text(text)
  with pytest.raises(ValueError, match='list_eval_partition'):
    celeba.CelebA(whole).length('train')


@pytest.mark.parametrize(
  ('data', 'complaint'),
  [
    (FILES[NAMES[1]][:400], 'not a valid image'),
    (jpeg(1, (409, 687)), 'aligned and cropped'),
  ],
  ids=['damaged', 'not aligned'],
)
def test_an_unsuitable_image_is_refused_by_its_name(whole, data, complaint):
  (whole / 'img_align_celeba' / NAMES[1]).write_bytes(data)
  with pytest.raises(defects.BrokenImage, match=f'000002.jpg: .*{complaint}'):
    celeba.CelebA(whole).read('train', 0, 3)


def test_threads_read_what_one_reader_reads(tmp_path):
  write_lists(tmp_path)
  write_zip(tmp_path)
  source = celeba.CelebA(tmp_path)
  data = cache.load(
    source, split='train', directory=tmp_path / 'cache', progress=False
  )
  np.testing.assert_array_equal(data.images, source.read('train', 0, 8))


@pytest.mark.shared
@pytest.mark.skipif(not IMAGES.is_dir(), reason='no development data')
def test_the_real_files_have_their_known_counts():
  source = celeba.CelebA(IMAGES, train_on_validation=False)
  lengths = [source.length(split) for split in sources.SPLITS]
  assert lengths == [8000, 1000, 1000]
  assert len(source.attribute_names) == 40
  male = source.attributes('train')[:, source.attribute_names.index('Male')]
  assert 0.35 < male.mean() < 0.5
  pixels = source.read('test', 0, 32)
  assert 80 < pixels.mean() < 160
