import numpy as np
import pytest
from PIL import Image

from tests import SHARED
from tests.data.images.packing import jpeg, make_folder, make_tgz, numbers
from vaegan_jax.data import cache, sources
from vaegan_jax.data.images import defects
from vaegan_jax.data.sources import lfw

IMAGES = SHARED / 'lfw'
PEOPLE = {'train': {'Ann_Lee': 2, 'Bo_O-Hara': 1}, 'test': {'Cy_Young': 2}}
FILES = {
  f'{person}/{person}_{index:04d}.jpg': jpeg(number, (250, 250))
  for number, (person, index) in enumerate(
    [
      ('Ann_Lee', 1),
      ('Ann_Lee', 2),
      ('Bo_O-Hara', 1),
      ('Cy_Young', 1),
      ('Cy_Young', 2),
    ]
  )
}
# In another order than the images, and with one more person.
SCORES = {
  ('Cy Young', 1): (0.5, -2.5),
  ('Zed', 1): (9.0, 9.0),
  ('Bo O-Hara', 1): (-0.25, 1e-2),
  ('Ann Lee', 2): (3.0, 4.0),
  ('Ann Lee', 1): (1.0, 2.0),
  ('Cy Young', 2): (5.0, 6.0),
}
UNSCORED = {key: s for key, s in SCORES.items() if key != ('Ann Lee', 1)}


def write_lists(folder, people=PEOPLE, scores=SCORES):
  for split, counts in people.items():
    lines = [str(len(counts)), *(f'{n}\t{c}' for n, c in counts.items())]
    path = folder / f'peopleDev{split.capitalize()}.txt'
    path.write_text('\n'.join(lines) + '\n')
  rows = [['# scores'], ['#', 'person', 'imagenum', 'Male', 'Big Nose']]
  rows += [[*map(str, key), *map(str, s)] for key, s in scores.items()]
  text = ''.join('\t'.join(row) + '\n' for row in rows)
  (folder / 'lfw_attributes.txt').write_text(text)


@pytest.fixture
def whole(tmp_path):
  write_lists(tmp_path)
  make_folder(tmp_path / 'lfw', FILES)
  return tmp_path


@pytest.mark.parametrize('layout', ['tgz', 'lfw', 'lfw-deepfunneled'])
def test_every_layout_holds_the_same_images_without_a_warning(
  whole, tmp_path_factory, layout, caplog
):
  path = tmp_path_factory.mktemp('other')
  write_lists(path)
  if layout == 'tgz':
    files = {f'lfw-deepfunneled/{name}': data for name, data in FILES.items()}
    make_tgz(path / 'lfw-deepfunneled.tgz', files)
  else:
    make_folder(path / layout, FILES)
  source = lfw.LFW(path)
  assert numbers(source, 'train') == [0, 1, 2]
  assert numbers(source, 'test') == [3, 4]
  assert not caplog.text
  assert isinstance(source, sources.Source)
  assert source.fingerprint() == lfw.LFW(whole).fingerprint()


def test_the_lists_of_kaggles_copy_are_read(whole, tmp_path_factory):
  path = tmp_path_factory.mktemp('kaggle')
  make_folder(path / 'lfw-deepfunneled' / 'lfw-deepfunneled', FILES)
  for split, counts in PEOPLE.items():
    lines = ['name,images', *(f'{n},{c}' for n, c in counts.items())]
    text = '\r\n'.join(lines)
    (path / f'peopleDev{split.capitalize()}.csv').write_text(text)
  rows = [f'{n},{i},{a},{b}' for (n, i), (a, b) in SCORES.items()]
  text = '\n'.join(['person,imagenum,Male,Big Nose', *rows])
  (path / 'lfw_attributes.csv').write_text(text)
  source, same = lfw.LFW(path), lfw.LFW(whole)
  assert source.attribute_names == same.attribute_names
  for split in ('train', 'test'):
    assert numbers(source, split) == numbers(same, split)
    np.testing.assert_array_equal(
      source.attributes(split), same.attributes(split)
    )


def test_scores_are_in_the_order_of_the_images(whole):
  source = lfw.LFW(whole)
  assert source.attribute_names == ('Male', 'Big Nose')
  scores = source.attributes('train')
  assert scores.dtype == np.float32
  np.testing.assert_allclose(scores, [[1, 2], [3, 4], [-0.25, 0.01]])
  np.testing.assert_allclose(source.attributes('test'), [[0.5, -2.5], [5, 6]])


def test_the_crop_is_the_centre_of_150(whole):
  pixels = np.zeros((250, 250, 3), np.uint8)
  pixels[50:200, 50:200] = 255
  path = whole / 'lfw' / 'Ann_Lee' / 'Ann_Lee_0001.jpg'
  for image in (pixels, 255 - pixels):
    Image.fromarray(image).save(path, 'PNG')  # exact; its name does not matter
    read = lfw.LFW(whole, (50, 50)).read('train', 0, 1)
    assert (read == image[100, 100, 0]).all()


def test_images_without_scores_are_left_out_and_counted(whole, caplog):
  write_lists(whole, scores=UNSCORED)
  source = lfw.LFW(whole, skip_broken=True)
  assert numbers(source, 'train') == [1, 2]
  assert '1 of 3 images (Ann_Lee_0001.jpg)' in caplog.text
  np.testing.assert_allclose(source.attributes('train')[0], [3, 4])


def test_without_the_attribute_file_all_images_are_used(whole):
  (whole / 'lfw_attributes.txt').unlink()
  source = lfw.LFW(whole)
  assert numbers(source, 'train') == [0, 1, 2]
  assert source.attribute_names == ()
  assert source.attributes('train') is None


def test_missing_images_are_counted_and_refused(whole):
  (whole / 'lfw' / 'Ann_Lee' / 'Ann_Lee_0002.jpg').unlink()
  with pytest.raises(ValueError, match=r'1 of 3 .*\(Ann_Lee_0002.jpg\)'):
    lfw.LFW(whole).length('train')
  source = lfw.LFW(whole, skip_broken=True)
  assert source.length('train') == 3
  with pytest.raises(defects.BrokenImage, match=r'0002\.jpg: .* lacks it'):
    source.read('train', 0, 3)


def test_only_images_in_a_list_are_used(whole):
  write_lists(whole, {'train': {'Ann_Lee': 1}, 'test': {'Cy_Young': 1}})
  source = lfw.LFW(whole)
  assert [numbers(source, s) for s in ('train', 'test')] == [[0], [3]]


@pytest.mark.parametrize('name', ['peopleDevTest.txt', 'lfw'])
def test_a_missing_file_is_named_with_its_folder(whole, name):
  (whole / name).rename(whole / 'elsewhere')
  with pytest.raises(FileNotFoundError, match=name) as error:
    lfw.LFW(whole).fingerprint()
  assert str(whole) in str(error.value)


def test_a_validation_split_is_refused(whole):
  with pytest.raises(ValueError, match="'validation' is empty"):
    lfw.LFW(whole).length('validation')


@pytest.mark.parametrize(
  ('lists', 'complaint'),
  [
    (
      {'people': {'train': {'Ann_Lee': 2}, 'test': {'Ann_Lee': 1}}},
      'tested on its training data',
    ),
    ({'scores': UNSCORED}, r'1 of 3 .*--config.data.skip_broken'),
    ({'scores': {('Zed', 1): (1, 1)}}, 'train without attributes'),
  ],
  ids=['a person in both splits', 'too few scores', 'no scores'],
)
def test_lists_that_do_not_match_are_refused(whole, lists, complaint):
  write_lists(whole, **lists)
  with pytest.raises(ValueError, match=complaint):
    lfw.LFW(whole).length('train')


def test_a_list_without_any_matching_image_is_refused(whole):
  write_lists(whole, {'train': {'Eve': 2}, 'test': {'Cy_Young': 1}})
  (whole / 'lfw_attributes.txt').unlink()
  with pytest.raises(ValueError, match=r'2 of 2 images .Eve_0001'):
    lfw.LFW(whole, skip_broken=True).length('train')


@pytest.mark.parametrize(
  ('text', 'complaint'),
  [
    ('', 'not a list of people'),
    ('2\nAnn_Lee x\n', 'not a list of people'),
    ('Ann_Lee\t2\nBo_O-Hara\t1\n', 'expected their number, or "name,images"'),
    ('2\nAnn_Lee\t2\n', 'announces 2 people and lists 1'),
    ('<html>moved</html>\n', 'not a list of people'),
    (f'{10**15}\nAnn_Lee 2\n', 'lists 1'),
    (f'1\nAnn_Lee {10**15}\n', 'at most 9999'),
  ],
)
def test_a_broken_list_of_people_is_refused(whole, text, complaint):
  (whole / 'peopleDevTrain.txt').write_text(text)
  with pytest.raises(ValueError, match=f'peopleDevTrain.*{complaint}'):
    lfw.LFW(whole).length('train')


@pytest.mark.parametrize(
  'line', ['Ann Lee\t1\t0.5', 'Ann Lee\t1\t0.5\tx', 'Ann Lee\tone\t1\t2', '<p>']
)
def test_a_broken_attribute_file_is_refused(whole, line):
  with (whole / 'lfw_attributes.txt').open('a') as file:
    file.write(f'{line}\n')
  with pytest.raises(ValueError, match=r'lfw_attributes\.txt'):
    lfw.LFW(whole).attributes('train')


def test_an_attribute_file_without_a_header_is_refused(whole):
  (whole / 'lfw_attributes.txt').write_text('Ann Lee\t1\t0.5\t2\n')
  with pytest.raises(ValueError, match='has no header'):
    _ = lfw.LFW(whole).attribute_names


def test_images_of_another_size_than_250_are_refused(whole):
  path = whole / 'lfw' / 'Ann_Lee' / 'Ann_Lee_0002.jpg'
  path.write_bytes(jpeg(1, (64, 64)))
  with pytest.raises(ValueError, match=r'Ann_Lee_0002.*deep-funneled'):
    lfw.LFW(whole).read('train', 0, 3)


def test_the_fingerprint_depends_on_lists_and_images(whole):
  prints = [lfw.LFW(whole).fingerprint()]
  write_lists(whole, scores={**SCORES, ('Ann Lee', 1): (1.5, 2.0)})
  prints.append(lfw.LFW(whole).fingerprint())
  write_lists(whole, {**PEOPLE, 'train': {'Ann_Lee': 2}})
  prints.append(lfw.LFW(whole).fingerprint())
  path = whole / 'lfw' / 'Ann_Lee' / 'Ann_Lee_0001.jpg'
  path.write_bytes(path.read_bytes() + b'\0')
  prints.append(lfw.LFW(whole).fingerprint())
  assert all(a != b for i, a in enumerate(prints) for b in prints[:i])


def test_the_cache_keeps_scores(whole, tmp_path):
  data = cache.load(
    lfw.LFW(whole, (16, 16)),
    split='test',
    directory=tmp_path / 'cache',
    progress=False,
  )
  assert data.images.shape == (2, 16, 16, 3)
  np.testing.assert_array_equal(data.attributes, [[0.5, -2.5], [5, 6]])


@pytest.mark.shared
@pytest.mark.skipif(not IMAGES.is_dir(), reason='no development data')
def test_the_real_files_hold_73_scores_and_aligned_faces(tmp_path):
  # The development data has only part of the images and scores.
  source = lfw.LFW(IMAGES, skip_broken=True)
  assert len(source.attribute_names) == 73
  whole = {
    split: cache.load(source, split=split, directory=tmp_path, progress=False)
    for split in ('train', 'test')
  }
  train, test = (data.attributes for data in whole.values())
  assert min(len(train), len(test)) > 500
  assert train.shape[1] == test.shape[1] == 73
  assert (train < 0).any(0).all()
  pixels = whole['test'].images[:64].astype(np.float32)
  # Faces are lit and centred: the middle is brighter than the corners.
  assert pixels[:, 24:40, 24:40].mean() > pixels[:, :8, :8].mean() + 10
