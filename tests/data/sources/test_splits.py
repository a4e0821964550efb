import pathlib

import pytest

from vaegan_jax.data import sources
from vaegan_jax.data.sources import splits

ROOT = pathlib.Path('/data')


@pytest.mark.parametrize(
  ('split', 'names'),
  [
    ('train', 'train Train TRAIN training trainset train_images train2017'),
    ('validation', 'validation valid val Val dev eval Evaluation val_set'),
    ('test', 'test Test testing TestSet test-images test1 data_test holdout'),
    (None, 'trainA DIV2K_train_HR testament value devil unlabeled train_masks'),
    (None, 'test-dev trains 2017 x 数据'),
  ],
)
def test_common_names_mean_a_split(split, names):
  for name in names.split():
    assert splits.of(name) == split, name


@pytest.mark.parametrize('name', ['trainA', 'DIV2K_train_HR', 'test-dev'])
def test_other_names_may_resemble_a_split(name):
  assert splits.resembles(name)
  assert not splits.resembles('testament')


def assign(*paths, train_on_validation=False):
  return splits.assign(
    paths, root=ROOT, train_on_validation=train_on_validation
  )


@pytest.mark.parametrize(
  ('train', 'validation', 'test'),
  [
    ('train/a/1.png', 'valid/a/1.png', 'test/1.png'),
    ('Training/1.png', 'Dev/1.png', 'TESTING/1.png'),
    ('x/y/train/1.png', 'x/y/val/1.png', 'x/y/test/1.png'),
    ('cat/train/1.png', 'dog/valid/1.png', 'cat/test/1.png'),
    ('cars_train/1.png', 'cars_val/1.png', 'cars_test/1.png'),
    ('DIV2K_train_HR/1.png', 'DIV2K_valid_HR/1.png', 'DIV2K_test_HR/1.png'),
  ],
)
def test_folders_name_the_splits_at_the_first_level_that_has_both(
  train, validation, test, caplog
):
  found = assign(train, validation, test)
  assert found == {
    'train': [train],
    'validation': [validation],
    'test': [test],
  }
  joined = assign(train, validation, test, train_on_validation=True)
  assert joined['train'] == [train, validation]
  assert not joined['validation']
  assert not caplog.text


def test_images_beside_the_splits_are_counted(caplog):
  found = assign('train/1.png', 'test/1.png', 'masks/1.png', '1.png')
  assert sum(map(len, found.values())) == 2
  assert '2 images of /data are left out' in caplog.text
  assert '1 in masks/, 1 in ./' in caplog.text


@pytest.mark.parametrize(
  ('folders', 'named'),
  [
    (('trainA', 'trainB', 'testA'), 'testA, trainA, trainB'),
    (('car', 'train'), 'train'),
    (('valid', 'test'), 'test, valid'),
    (('a_train', 'b_test'), 'a_train, b_test'),
  ],
)
def test_folders_that_look_like_splits_and_are_none_are_named(
  caplog, folders, named
):
  paths = [f'{folder}/{i}.png' for folder in folders for i in range(50)]
  found = assign(*paths)
  assert sum(map(len, found.values())) == len(paths)
  assert f'look like splits and are not used as such ({named})' in caplog.text


def test_a_missing_test_folder_is_replaced_by_images_of_train():
  train = [f'train/{i}.png' for i in range(400)]
  found = assign(*train, 'val/1.png')
  assert len(found['test']) == pytest.approx(20, abs=12)
  assert sorted(found['train'] + found['test']) == sorted(train)
  assert found['validation'] == ['val/1.png']


def test_a_name_that_is_no_text_has_a_split():
  found = assign('a\udcff.png')
  assert sum(map(len, found.values())) == 1
  assert [*found] == [*sources.SPLITS]
