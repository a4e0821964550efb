import logging
import pathlib

import numpy as np
import pytest

from vaegan_jax.data.images import labels

X = pathlib.Path('x.csv')
IMAGES = ['train/07.png', 'train/8.jpg', 'test/7.png', 'test/8.jpg']


def match(*names, images=IMAGES):
  rows = [[name, str(place)] for place, name in enumerate(names)]
  found = labels.match(rows, images, path=X)
  return {image: names[int(row[1])] for image, row in found.items()}


@pytest.mark.parametrize(
  'names',
  [
    IMAGES,
    [name.replace('/', '\\') for name in IMAGES],
    [f'./{name}' for name in IMAGES],
    [f'/data/faces/{name}' for name in IMAGES],
    [name.partition('.')[0] for name in IMAGES],
    [f'faces/{name.partition(".")[0]}' for name in IMAGES],
  ],
  ids=[
    'paths',
    'backslashes',
    'dots',
    'from the root',
    'without ending',
    'both',
  ],
)
def test_images_are_found_by_every_form_of_their_path(names):
  assert match(*names) == dict(zip(IMAGES, names, strict=True))


def test_a_bare_name_means_the_only_image_of_that_name(caplog):
  caplog.set_level(logging.INFO)
  assert match('07.png', '8.jpg') == {'train/07.png': '07.png'}
  assert '1 of 2 rows (8.jpg) of x.csv name no image' in caplog.text
  assert match('07', '7') == {'train/07.png': '07', 'test/7.png': '7'}


def test_accents_are_composed_by_any_file_system():
  assert match('e\u0301.png', images=['\u00e9.png'])


def test_an_image_of_another_folder_is_no_match():
  # No image of test/ is here; train/1.png is another picture than test/1.png.
  with pytest.raises(ValueError, match=r'no row of x\.csv names an image'):
    match('test/1.png', 'test/2.png', images=['train/1.png', 'train/2.png'])


def test_lost_zeros_are_shown_beside_the_names_of_images():
  with pytest.raises(ValueError, match=r'holds 45, 57, .*are 000045\.png'):
    match('45', '57', images=['000045.png', '000057.png'])


def test_rows_without_an_image_and_images_without_a_row_are_counted(caplog):
  caplog.set_level(logging.INFO)
  match('gone.png', *IMAGES[1:])
  assert '1 of 4 rows (gone.png) of x.csv name no image' in caplog.text
  assert 'x.csv has no row of 1 of 4 images (train/07.png)' in caplog.text


def attributes(*columns):
  rows = {
    str(place): [str(place), *map(str, row)]
    for place, row in enumerate(zip(*columns, strict=True))
  }
  made = labels.Labels(tuple(map(str, range(len(columns)))), rows, X)
  return made.of([*rows])


@pytest.mark.parametrize(
  'pair', [(0, 1), (-1, 1), (1, 2), (0, 255), ('no', 'yes'), ('FALSE', 'True')]
)
def test_two_values_become_0_and_1_whichever_they_are(pair):
  truth = np.random.default_rng(0).integers(0, 2, (3, 20))
  truth[2] = 0  # constant: as absent as in the other columns
  values = attributes(*[[pair[x] for x in column] for column in truth])
  assert values.dtype == np.int8
  np.testing.assert_array_equal(values, truth.T)


def test_one_column_of_scores_leaves_the_binary_ones_0_and_1():
  values = attributes([-1, 1, 1], [30, 20, 10])
  assert values.dtype == np.float32
  np.testing.assert_array_equal(values, [[0, 30], [1, 20], [1, 10]])


@pytest.mark.parametrize(
  ('column', 'warnings'),
  [
    ([0, 1, 2], ['0 has 3 values from 0 to 2']),
    ([-1.5, 0.5, 2], []),
    ([*range(101)], ['is a score from 0 to 100']),
    ([0, 1, 255], ['If they are classes', 'is a score from 0 to 255']),
  ],
)
def test_scores_that_may_be_classes_or_are_large_are_named(
  column, warnings, caplog
):
  attributes(column)
  assert len(caplog.records) == len(warnings)
  for record, text in zip(caplog.records, warnings, strict=True):
    assert text in record.getMessage()


@pytest.mark.parametrize(
  ('value', 'other', 'expected'),
  [(1, (-1, 1), 1), (-1, (-1, 1), 0), (1, (1, 2), 0), (5, (0, 1), 1)],
)
def test_a_constant_column_is_coded_as_others_are_and_said(
  value, other, expected, caplog
):
  values = attributes(other, [value, value])
  np.testing.assert_array_equal(values, [[0, expected], [1, expected]])
  assert 'x.csv: all images agree on 1' in caplog.text


def test_images_without_a_row_have_zeros():
  rows = {name: [name, str(i)] for i, name in enumerate('abcdef')}
  values = labels.Labels(('x',), rows, X).of(['f', 'z', 'b'])
  np.testing.assert_array_equal(values, [[5], [0], [1]])
