import pathlib

import numpy as np
import pytest

from vaegan_jax.data.images import label_tables

B = ['b.jpg', '0', '1']


def write(path, text):
  path.write_text(text, encoding='utf-8')
  return path


@pytest.mark.parametrize(
  ('name', 'text', 'expected'),
  [
    ('x.txt', 'a.jpg  1 -1\n\nb.jpg 0\t1\n', [['a.jpg', '1', '-1'], B]),
    ('x.csv', 'a.jpg,1,-1\r\n\r\nb.jpg,0,1\r\n', [['a.jpg', '1', '-1'], B]),
    ('x.csv', '\ufeffb.jpg,0,1\n', [B]),
    ('x.csv', '"a, b.jpg",1\n', [['a, b.jpg', '1']]),
  ],
  ids=['blanks', 'commas', 'byte order mark', 'comma in quotes'],
)
def test_lines_are_split_into_cells(tmp_path, name, text, expected):
  path = write(tmp_path / name, text)
  assert list(label_tables.rows(path)) == expected


def test_numbers_keep_rows_and_columns():
  cells = [['a', '1', '-1.5'], ['b', '0', '1e3']]
  values = label_tables.numbers(cells, columns=2, path=pathlib.Path('x'))
  np.testing.assert_array_equal(values, [[1, -1.5], [0, 1000]])


@pytest.mark.parametrize('row', [['a'], ['a', '1', '2'], ['a', 'x'], ['a', '']])
def test_rows_that_are_not_numbers_are_refused_by_the_files_name(row):
  cells = [['b', '1'], row]
  with pytest.raises(ValueError, match=r'list\.csv'):
    label_tables.numbers(cells, columns=1, path=pathlib.Path('list.csv'))


def test_cells_between_tabs_may_hold_blanks(tmp_path):
  path = write(tmp_path / 'x.txt', '#\tBig Nose\n\nAbba Eban\t1\t-2\r\n')
  expected = [['#', 'Big Nose'], ['Abba Eban', '1', '-2']]
  assert list(label_tables.rows(path, tabs=True)) == expected


def test_lookup_keeps_the_order_of_names_and_returns_zeros_for_missing_ones():
  table = {name: [name, str(i)] for i, name in enumerate('abcdef')}
  settings = {'columns': 1, 'path': pathlib.Path('x.txt')}
  values = label_tables.lookup(table, ['f', 'z', 'b'], **settings)
  np.testing.assert_array_equal(values, [[5], [0], [1]])


def test_two_rows_of_a_name_must_be_equal():
  rows = [['a', '1'], ['b', '2'], ['a', '1']]
  table = label_tables.by_name(rows, path=pathlib.Path('x.csv'))
  assert table == {'a': ['a', '1'], 'b': ['b', '2']}
  with pytest.raises(ValueError, match=r'x\.csv has two rows of b'):
    label_tables.by_name([*rows, ['b', '3']], path=pathlib.Path('x.csv'))


@pytest.mark.parametrize('word', ['nan', 'inf', '-inf', '1e99'])
@pytest.mark.filterwarnings('ignore:overflow')
def test_nan_and_infinity_are_refused_by_their_row(word):
  cells = [['a', '1', '2'], ['b', '3', word]]
  with pytest.raises(ValueError, match=r'row of b .* NaN or infinity'):
    label_tables.numbers(cells, columns=2, path=pathlib.Path('x'))


def test_a_binary_file_is_refused_by_its_name(tmp_path):
  (tmp_path / 'x.csv').write_bytes(bytes(range(256)))
  with pytest.raises(ValueError, match=r'x\.csv is not a table'):
    list(label_tables.rows(tmp_path / 'x.csv'))
