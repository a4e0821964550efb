"""One bad file of a folder is one bad image, named so that it can be read."""

import os

import numpy as np
import pytest
from PIL import Image

from tests.data.images.packing import encode, make_folder
from tests.data.numbered import load
from vaegan_jax.data.sources import folder

NOISE = np.random.default_rng(0).integers(0, 256, (30, 8, 8), np.uint8)
FILES = {
  f'train/{i:02d}.png': encode(Image.fromarray(x)) for i, x in enumerate(NOISE)
}
FILES['test/0.png'] = FILES['train/00.png']


def dangle(path):
  path.symlink_to('/nowhere/1.png')


def loop(path):
  path.symlink_to(path)


BAD = {
  'dangling link': (dangle, 'it is a link to a missing file'),
  'link to itself': (loop, 'it is a link to a missing file'),
  'pipe': (os.mkfifo, 'it is no file'),
  'folder': (lambda path: path.mkdir(), None),
  'empty': (lambda path: path.touch(), 'the file is empty'),
}


@pytest.fixture
def pictures(tmp_path):
  return make_folder(tmp_path / 'pictures', FILES)


@pytest.mark.parametrize('name', [b'bad.png', b'b\xffd.png', b'b\nd.png'])
@pytest.mark.parametrize('kind', BAD)
def test_a_bad_file_is_counted_and_named(
  pictures, tmp_path, caplog, kind, name
):
  make, reason = BAD[kind]
  make(pictures / 'train' / os.fsdecode(name))
  skipping = folder.Folder(pictures, (8, 8), skip_broken=True)
  assert len(load(skipping, tmp_path / 'cache').images) == 30
  if reason is None:
    return
  shown = f'train/{name.decode(errors="backslashreplace")}'.replace('\n', '\\n')
  message = f'1 of 31 images ({shown}) of folder train cannot be used. {shown}'
  assert f'{message}: {reason}' in caplog.text
  with pytest.raises(ValueError, match='skip_broken=True') as error:
    load(folder.Folder(pictures, (8, 8)), tmp_path / 'cache')
  assert message in str(error.value)


def test_a_name_that_is_no_text_is_a_name(pictures, tmp_path):
  path = pictures / 'train' / '00.png'
  path.rename(path.with_name(os.fsdecode(b'\xe9t\xe9.png')))
  data = load(folder.Folder(pictures, (8, 8)), tmp_path / 'cache')
  np.testing.assert_array_equal(data.images[-1, ..., 0], NOISE[0])


def test_what_is_left_out_is_logged_once(pictures, tmp_path, caplog):
  make_folder(pictures, {'a.psd': b'', 'b.psd': b'', 'train/@eaDir/0.png': b''})
  source = folder.Folder(pictures, (8, 8))
  for split in ('train', 'test'):
    load(source, tmp_path / 'cache', split)
  said = f'{pictures} has 31 images. Left out: 2 .psd, 1 in @eaDir/.'
  assert caplog.text.count(said) == 1


def test_a_folder_without_images_says_what_it_has(tmp_path):
  make_folder(tmp_path, {'images.zip': b'', 'a.heic': b''})
  with pytest.raises(FileNotFoundError, match=r'Left out: 1 \.heic, 1 \.zip\.'):
    folder.Folder(tmp_path, (8, 8)).length('train')


def test_too_few_images_for_a_test_say_how_many_are_wanted(tmp_path):
  make_folder(tmp_path, {f'{i}.png': FILES['test/0.png'] for i in range(12)})
  empty = [
    split
    for split, names in folder.Folder(tmp_path, (8, 8))._splits.items()
    if not names
  ]
  with pytest.raises(ValueError, match='12 images and none') as error:
    folder.Folder(tmp_path, (8, 8)).length(empty[0])
  for words in (
    'at least 100',
    f'{tmp_path / empty[0]}/',
    f'{tmp_path}/train/',
  ):
    assert words in str(error.value)


def test_nearly_black_images_are_warned_of(tmp_path, caplog):
  dark = {
    name: encode(Image.fromarray(NOISE[i % 30].astype(np.uint16) * 16))
    for i, name in enumerate(FILES)
  }
  source = folder.Folder(make_folder(tmp_path, dark), (8, 8))
  load(source, tmp_path / 'cache')
  assert 'The images of folder train: they are nearly black' in caplog.text
  assert '16-bit images, of which the high byte is used' in caplog.text


@pytest.mark.parametrize('name', ['attributes.csv', 'Attributes.CSV'])
def test_the_name_of_the_table_may_have_any_case(pictures, name):
  text = ''.join(f'{path},{i % 2}\n' for i, path in enumerate(FILES))
  (pictures / name).write_text(f'path,odd\n{text}')
  assert folder.Folder(pictures, (8, 8)).attribute_names == ('odd',)
  (pictures / 'ATTRIBUTES.csv').write_text(f'path,odd\n{text}')
  with pytest.raises(ValueError, match=r'ATTRIBUTES\.csv and .*; remove one'):
    _ = folder.Folder(pictures, (8, 8)).attribute_names


def test_validation_images_are_trained_on_if_the_setting_says_so(pictures):
  make_folder(pictures, {'Valid/0.png': FILES['test/0.png']})
  apart = folder.Folder(pictures, (8, 8))
  joined = folder.Folder(pictures, (8, 8), train_on_validation=True)
  assert [apart.length('train'), apart.length('validation')] == [30, 1]
  assert joined.length('train') == 31
  assert joined.fingerprint() != apart.fingerprint()
  with pytest.raises(ValueError, match='set train_on_validation to False'):
    joined.length('validation')
