import pathlib

import numpy as np
import pytest

from vaegan_jax.data.images import label_tables

X = pathlib.Path('x.csv')
B = ['b.jpg', '0', '1']
ROWS = [['a b.jpg', '1', '-1.5'], B]


def write(path, text, encoding='utf-8'):
  path.write_bytes(text.encode(encoding))
  return path


@pytest.mark.parametrize(
  'text',
  [
    '"a b.jpg"  1 -1.5\n\n b.jpg 0\t1 \n',
    'a b.jpg,1,-1.5\r\n\r\nb.jpg,0,1\r\n',
    'a b.jpg,1,-1.5\rb.jpg,0,1',
    '\ufeffa b.jpg,1,-1.5\nb.jpg,0,1\n',
    'a b.jpg, 1,\t-1.5\n"b.jpg", "0", "1"\n',
    'a b.jpg;1;-1,5\nb.jpg;0;1\n',
    'sep=;\na b.jpg;1;-1,5\nb.jpg;0;1\n',
    'a b.jpg\t1\t-1.5\nb.jpg\t0\t1\n',
    'a b.jpg|1|-1.5\nb.jpg|0|1\n',
    'a b.jpg,1,-1.5,\nb.jpg,0,1,\n',
  ],
  ids=[
    'blanks',
    'commas',
    'old line ends',
    'byte order mark',
    'blanks and quotes',
    'semicolons',
    'separator named',
    'tabs',
    'bars',
    'separators at the end',
  ],
)
def test_every_dialect_is_split_into_the_same_cells(tmp_path, text):
  assert label_tables.rows(write(tmp_path / 'x', text)) == ROWS
  if not text.startswith('\ufeff'):
    path = write(tmp_path / 'wide', '\ufeff' + text, 'utf-16-le')
    assert label_tables.rows(path) == ROWS


@pytest.mark.parametrize(
  'text',
  [
    'path,Big Nose,hat\na.png,-2,1\n',
    'Big Nose,hat\na.png,-2,1\n',
    '202599\nBig Nose,hat\na.png,-2,1\n',
    'Labels\n# 3, 4, 5, 6\n#path,Big Nose,hat\na.png,-2,1\n',
    ',path,Big Nose,hat\n0,a.png,-2,1\n',
    'path;"Big Nose";hat\na.png;-2;true\n',
    'path\tBig Nose\that\na.png\t-2\tYES\n',
    'path\tBig Nose\that\na.png\t-2,0\t1\n',
  ],
)
def test_a_header_names_the_columns_of_values(tmp_path, text):
  names, rows = label_tables.read(write(tmp_path / 'x.csv', text))
  assert names == ('Big Nose', 'hat')
  values = label_tables.numbers(rows, names=names, path=X)
  np.testing.assert_array_equal(values, [[-2, 1]])


def test_numbers_in_a_header_do_not_decide_the_separator(tmp_path):
  path = write(tmp_path / 'x', "#\tperson\t5 o' Clock 9\na b\t1\t-.5\n")
  assert label_tables.rows(path)[1] == ['a b', '1', '-.5']


def test_an_index_is_not_taken_for_names_that_are_numbers(tmp_path):
  # As pandas writes a table whose column of images is 1, 2, 3.
  text = ',id,Male\n0,1,1\n1,2,0\n2,3,1\n'
  names, rows = label_tables.read(write(tmp_path / 'x.csv', text))
  assert names == ('Male',)
  assert rows == [['1', '1'], ['2', '0'], ['3', '1']]


def test_a_column_may_be_called_y(tmp_path):
  names, _ = label_tables.read(write(tmp_path / 'x.csv', 'image,y\na.png,1\n'))
  assert names == ('y',)


def test_a_comma_in_a_name_is_no_decimal_comma(tmp_path):
  text = 'path;Age 18,30;Height\na,1.png;1;1,75\n'
  names, rows = label_tables.read(write(tmp_path / 'x.csv', text))
  assert names == ('Age 18,30', 'Height')
  assert rows == [['a,1.png', '1', '1.75']]


def test_a_name_may_hold_the_separator_in_quotes(tmp_path):
  text = 'path,"Hair, black"\n"a, b.png",1\n'
  names, rows = label_tables.read(write(tmp_path / 'x.csv', text))
  assert (names, rows) == (('Hair, black',), [['a, b.png', '1']])


@pytest.mark.parametrize(
  ('text', 'problem'),
  [
    ('', 'names no attributes'),
    ('path\na.png\n', 'names no attributes'),
    ('a.png,0,0\nb.png,0,1\n', 'has no header, but a first row of 0, 0'),
    ('a.png,no,yes\nb.png,yes,no\n', 'has no header'),
    ('path,0,1\na.png,0,1\n', 'has no header'),
    ('path,hat,,beard\na.png,0,1,1\n', 'without a name'),
    ('path,hat,hat \na.png,0,1\n', 'several columns named hat'),
  ],
)
def test_columns_without_distinct_names_are_refused(tmp_path, text, problem):
  path = write(tmp_path / 'x.csv', text)
  with pytest.raises(ValueError, match=rf'x\.csv .*{problem}.*: expected a fi'):
    label_tables.read(path)


def test_a_header_with_a_name_too_few_is_refused(tmp_path):
  path = write(tmp_path / 'x.csv', 'image_id,age\na.png,30,1\n')
  with pytest.raises(ValueError, match=r'a\.png has 2 values, .* names 1 '):
    label_tables.read(path)


def test_numbers_keep_rows_and_columns():
  cells = [['a', '1', '-1.5'], ['b', '0', '1e3']]
  values = label_tables.numbers(cells, names='xy', path=X)
  np.testing.assert_array_equal(values, [[1, -1.5], [0, 1000]])


@pytest.mark.parametrize('row', [['a'], ['a', '1', '2'], ['a', 'x'], ['a', '']])
def test_rows_that_are_not_numbers_are_refused_by_the_files_name(row):
  cells = [['b', '1'], row]
  with pytest.raises(ValueError, match=r'x\.csv: .*the row of a has'):
    label_tables.numbers(cells, names=['hat'], path=X)


def test_two_rows_of_a_name_must_be_equal():
  rows = [['a', '1'], ['b', '2'], ['a', '1']]
  table = label_tables.by_name(rows, path=X)
  assert table == {'a': ['a', '1'], 'b': ['b', '2']}
  with pytest.raises(ValueError, match=r'x\.csv has two rows of b'):
    label_tables.by_name([*rows, ['b', '3']], path=X)


@pytest.mark.parametrize('word', ['nan', 'inf', '-inf', '1e99'])
@pytest.mark.filterwarnings('ignore:overflow')
def test_nan_and_infinity_are_refused_by_their_row_and_column(word):
  cells = [['a', '1', '2'], ['b', '3', word], ['c', word, word]]
  with pytest.raises(ValueError, match=f"2 of 3 .* of b has '{word}' as hat"):
    label_tables.numbers(cells, names=['age', 'hat'], path=X)


@pytest.mark.parametrize(
  'data', [bytes(range(256)), b'"a.png,1\nb.png,0\n', 'é,1\n'.encode('latin1')]
)
def test_what_is_no_table_is_refused_by_its_name(tmp_path, data):
  (tmp_path / 'x.csv').write_bytes(data)
  with pytest.raises(ValueError, match=r'x\.csv is not a table'):
    label_tables.rows(tmp_path / 'x.csv')
