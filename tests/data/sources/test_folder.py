import numpy as np
import pytest
from PIL import Image

from vaegan_jax.data import sources
from vaegan_jax.data.sources import folder, splits

KINDS = ('jpg', 'jpeg', 'png', 'webp', 'bmp', 'PNG', 'JPG')


def save(path, level=128, size=(20, 30), mode='RGB'):
  path.parent.mkdir(parents=True, exist_ok=True)
  Image.new('L', size, level).convert(mode).save(path)


@pytest.fixture
def pictures(tmp_path):
  root = tmp_path / 'pictures'
  for number in range(40):
    kind = KINDS[number % len(KINDS)]
    save(root / f'{number % 3}' / f'{number}.{kind}', level=number * 6)
  return root


def names(source, split):
  return source._names(split)


def all_names(source):
  return [name for split in sources.SPLITS for name in names(source, split)]


def test_nested_images_of_every_kind_are_found_once(pictures):
  (pictures / 'notes.txt').write_text('no image')
  (pictures / '.hidden.png').write_bytes(b'no image')
  (pictures / '.thumbnails').mkdir()
  save(pictures / '.thumbnails' / '1.png')
  found = all_names(folder.Folder(pictures, (16, 16)))
  assert len(found) == len(set(found)) == 40


def test_links_are_followed_but_not_in_cycles(pictures):
  (pictures / 'again').symlink_to(pictures, target_is_directory=True)
  (pictures.parent / 'linked').symlink_to(pictures, target_is_directory=True)
  root = pictures.parent / 'linked'
  assert len(all_names(folder.Folder(root, (16, 16)))) == 40


def test_a_hash_of_the_path_puts_most_images_in_train(tmp_path):
  paths = [f'{number}.png' for number in range(2000)]
  found = splits.assign(paths, root=tmp_path, train_on_validation=False)
  counts = [len(found[split]) for split in sources.SPLITS]
  assert counts == pytest.approx([1800, 100, 100], abs=50)


def test_an_added_image_moves_no_other(pictures):
  before = folder.Folder(pictures, (16, 16))
  kept = {split: set(names(before, split)) for split in sources.SPLITS}
  save(pictures / 'new.png')
  after = folder.Folder(pictures, (16, 16))
  assert all(kept[s] <= set(names(after, s)) for s in sources.SPLITS)


@pytest.mark.parametrize('validation', ['validation', 'val'])
def test_folders_with_the_names_of_splits_are_the_splits(tmp_path, validation):
  for top, count in (('train', 5), (validation, 3), ('test', 2), ('other', 1)):
    for number in range(count):
      save(tmp_path / top / 'deep' / f'{number}.png')
  source = folder.Folder(tmp_path, (16, 16))
  assert [source.length(split) for split in sources.SPLITS] == [5, 3, 2]


def test_images_are_sorted_and_cropped_about_their_centre(tmp_path):
  save(tmp_path / 'test' / '0.png')
  for number in range(3):
    save(tmp_path / 'train' / f'{number}.png', number * 50, (40 + number, 25))
  source = folder.Folder(tmp_path, (16, 24))
  pixels = source.read('train', 1, 3)
  assert pixels.shape == (2, 16, 24, 3)
  assert (pixels == [[[[50]]], [[[100]]]]).all()


@pytest.mark.parametrize('mode', ['1', 'L', 'P', 'RGBA', 'CMYK'])
def test_one_channel_is_grey(tmp_path, mode):
  path = tmp_path / 'train' / f'x.{"jpg" if mode == "CMYK" else "png"}'
  save(path, 255, mode=mode)
  save(tmp_path / 'test' / '0.png')
  pixels = folder.Folder(tmp_path, (16, 16), channels=1).read('train', 0, 1)
  assert pixels.shape == (1, 16, 16, 1)
  assert pixels.min() > 250


def test_an_empty_or_missing_folder_is_refused(tmp_path):
  with pytest.raises(FileNotFoundError, match='hold no image'):
    folder.Folder(tmp_path, (16, 16)).fingerprint()
  with pytest.raises(FileNotFoundError, match='is not a folder'):
    folder.Folder(tmp_path / 'nowhere', (16, 16)).fingerprint()


@pytest.fixture
def labelled(tmp_path):
  for name in ('train/0', 'train/1', 'train/2', 'test/0'):
    save(tmp_path / f'{name}.png')
  (tmp_path / 'attributes.csv').write_text(
    'path,age,hat\ntrain/2.png,30,1\ntrain/0.png,10,0\ntrain/1.png,20,.5\n'
    'test/0.png,40,1\ngone.png,1,1\n'
  )
  return tmp_path


def test_attributes_are_in_the_order_of_the_images(labelled):
  source = folder.Folder(labelled, (16, 16))
  assert source.attribute_names == ('age', 'hat')
  expected = [[10, 0], [20, 0.5], [30, 1]]
  np.testing.assert_array_equal(source.attributes('train'), expected)
  assert source.length('train') == 3


def label(root, **rows):
  """Writes a train/ and a test/ with an image for each row of labels."""
  lines = ['path;hat;beard']
  for split, values in rows.items():
    for number, row in enumerate(values):
      save(root / split / f'{number}.png')
      lines.append(f'{split}\\{number}.png; {row[0]}; {row[1]}')
  (root / 'attributes.csv').write_text('\r\n'.join(lines))
  source = folder.Folder(root, (16, 16))
  return [source.attributes(split) for split in rows]


@pytest.mark.parametrize(
  'pair', [(0, 1), (-1, 1), ('no', 'Yes'), ('0,5', '1,5')]
)
def test_the_same_labels_are_the_same_attributes_in_any_coding(tmp_path, pair):
  truth = {'train': [(0, 1), (1, 1), (0, 0)], 'test': [(1, 1), (1, 0)]}
  coded = {s: [[pair[x] for x in row] for row in truth[s]] for s in truth}
  for found, expected in zip(
    label(tmp_path, **coded), truth.values(), strict=True
  ):
    assert found.dtype == np.int8
    np.testing.assert_array_equal(found, expected)


def test_scores_in_one_split_are_scores_in_all(tmp_path):
  train, test = label(tmp_path, train=[(0, 0.5), (1, 1)], test=[(1, 0), (0, 1)])
  assert train.dtype == test.dtype == np.float32
  np.testing.assert_array_equal(train, [[0, 0.5], [1, 1]])


def test_a_table_without_attributes_or_images_is_refused(labelled):
  for text, problem in (
    ('path\ntrain/0.png\n', 'names no attributes'),
    ('train/0.png,0,0\n', 'has no header'),
    ('path,age\n', 'no row of .* names an image'),
    (
      'path,age\n000,1\n',
      'holds 000, and the images are test/0.png, train/0.png',
    ),
  ):
    (labelled / 'attributes.csv').write_text(text)
    with pytest.raises(ValueError, match=problem):
      _ = folder.Folder(labelled, (16, 16)).attribute_names


def test_a_table_of_another_name_is_not_passed_over_in_silence(
  labelled, caplog
):
  table = labelled / 'attributes.csv'
  table = table.rename(labelled / 'Attributes.TXT')
  assert folder.Folder(labelled, (16, 16)).attribute_names == ('age', 'hat')
  table.rename(labelled / 'labels.csv')
  assert folder.Folder(labelled, (16, 16)).attribute_names == ()
  assert 'or attributes.txt, not from labels.csv' in caplog.text
  for ending in ('csv', 'tsv'):
    (labelled / f'attributes.{ending}').write_text('path,hat\ntest/0.png,1\n')
  assert folder.Folder(labelled, (16, 16)).attribute_names == ('hat',)
  assert 'from attributes.csv, not from attributes.tsv.' in caplog.text


def test_images_without_attributes_are_counted_and_named(labelled):
  save(labelled / 'train' / '3.png')
  with pytest.raises(ValueError, match=r'1 of 4 images \(train/3.png'):
    folder.Folder(labelled, (16, 16)).length('train')


def test_the_fingerprint_depends_on_files_and_attributes(labelled):
  source = folder.Folder(labelled, (16, 16))
  prints = [source.fingerprint()]
  (labelled / 'attributes.csv').write_text('path,age\ntrain/0.png,1\n')
  prints.append(folder.Folder(labelled, (16, 16)).fingerprint())
  save(labelled / 'train' / '0.png', size=(90, 91))
  prints.append(folder.Folder(labelled, (16, 16)).fingerprint())
  assert all(a != b for i, a in enumerate(prints) for b in prints[:i])


@pytest.fixture
def sorted_by_label(tmp_path):
  for name in ('train/hat/0', 'train/no hat/1', 'train/hat/2', 'test/hat/0'):
    save(tmp_path / f'{name}.png')
  return tmp_path


def test_folders_are_labels_if_the_setting_says_so(sorted_by_label):
  source = folder.Folder(sorted_by_label, (16, 16), folder_labels=True)
  assert source.attribute_names == ('hat', 'no hat')
  assert names(source, 'train') == [
    'train/hat/0.png',
    'train/hat/2.png',
    'train/no hat/1.png',
  ]
  expected = [[1, 0], [1, 0], [0, 1]]
  np.testing.assert_array_equal(source.attributes('train'), expected)
  np.testing.assert_array_equal(source.attributes('test'), [[1, 0]])
  assert source.attributes('test').dtype == np.int8
  without = folder.Folder(sorted_by_label, (16, 16))
  assert without.attribute_names == ()
  assert without.fingerprint() != source.fingerprint()


def test_folders_of_no_split_are_no_labels(sorted_by_label):
  save(sorted_by_label / 'drafts' / '0.png')
  source = folder.Folder(sorted_by_label, (16, 16), folder_labels=True)
  assert source.attribute_names == ('hat', 'no hat')


def test_images_without_a_folder_for_their_label_are_named(sorted_by_label):
  save(sorted_by_label / 'train' / '3.png')
  source = folder.Folder(sorted_by_label, (16, 16), folder_labels=True)
  with pytest.raises(
    ValueError, match=r'1 of 5 images \(train/3.png\)'
  ) as error:
    _ = source.attribute_names
  assert f'as in {sorted_by_label / "train/cat/1.png"}' in str(error.value)


def test_labels_by_folders_need_two_folders(tmp_path):
  for name in ('train/hat/0.png', 'test/hat/0.png'):
    save(tmp_path / name)
  with pytest.raises(ValueError, match='folders of one name, hat, and'):
    _ = folder.Folder(tmp_path, (16, 16), folder_labels=True).attribute_names


def test_what_labels_by_folders_leave_out_is_logged(sorted_by_label, caplog):
  (sorted_by_label / 'attributes.csv').write_text('path,age\ntrain/hat/0,1\n')
  save(sorted_by_label / 'test' / 'cap' / '1.png')
  source = folder.Folder(sorted_by_label, (16, 16), folder_labels=True)
  assert source.attribute_names == ('cap', 'hat', 'no hat')
  assert source.length('train') == 3
  assert 'attributes.csv is not read' in caplog.text
  assert 'no training image has the label cap' in caplog.text
