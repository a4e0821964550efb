"""Tables of labels in any dialect: each row is a name, then values.

Tabs, semicolons, bars, commas or blanks separate the cells, which may be
quoted. The text is UTF-8, or UTF-16 with a byte order mark.
"""

from __future__ import annotations

import codecs
import collections
import csv
import functools
import io
import pathlib
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

import numpy as np
from jaxtyping import Float32

from vaegan_jax.data.images import defects

# A table, which may lie in a zip.
File: TypeAlias = pathlib.Path | zipfile.Path

# The name of an image, or a part of it, then its values.
Row: TypeAlias = Sequence[str]

# Of separators that fit equally well, the first is taken.
_SEPARATORS = '\t;|, '
# Characters and lines that decide which one fits.
_SAMPLE, _LINES = 1 << 16, 100

_WORDS = dict.fromkeys(('true', 'yes', 't', 'y'), 1.0)
_WORDS |= dict.fromkeys(('false', 'no', 'f', 'n'), 0.0)
# Names of the column of images, which no attribute has.
_IMAGE_COLUMNS = {'path', 'file', 'filename', 'file_name', 'name', 'id'}
_IMAGE_COLUMNS |= {'image', 'image_id', 'image_name', 'img'}
_DECIMAL_COMMA = re.compile(r'([-+]?\d*),(\d+)')


def rows(path: File) -> list[list[str]]:
  """Reads the cells of each line that is not empty, without outer blanks.

  The separator is the one by which most rows are a name and values. If it is no
  comma, a comma in a number is a decimal point.

  Raises:
    ValueError: the file is not text, or not a table.
  """
  try:
    text = _text(path)
    sample = [line for line in text[:_SAMPLE].split('\n') if line.strip()]
    separator = max(_SEPARATORS, key=functools.partial(_fit, sample[:_LINES]))
    found = [*_cells(io.StringIO(text), separator, strict=True)]
  except (UnicodeError, csv.Error) as error:
    raise ValueError(
      f'{path} is not a table ({error}); fetch it again, or save it as UTF-8'
    ) from error
  if found and found[0][0].lower().startswith('sep='):  # a spreadsheet's hint
    del found[0]
  while found and all(len(row) > 1 and not row[-1] for row in found):
    found = [row[:-1] for row in found]  # a separator ended each line
  return found


def read(path: File) -> tuple[tuple[str, ...], list[list[str]]]:
  """Reads a table whose header names the columns of values.

  The header may also name the column of images. A title, comments or a count
  above it are skipped, and so is a first column that numbers the rows, as
  pandas writes it.

  Returns:
    the names of the columns of values, and the rows below the header.

  Raises:
    ValueError: as `rows` and `check_names`.
  """
  table = rows(path)
  width = len(table[-1]) if table else 0
  while table and (len(table[0]) == 1 or _is_comment(table[0], width=width)):
    del table[0]
  if table[1:] and (_has_index(table[0]) or all(map(_is_numbered, table[1:]))):
    table = [row[1:] if len(row) == width else row for row in table]
  header, *body = table or [[]]
  only_values = body and len(header) == len(body[0]) - 1
  if only_values and header[0].casefold() in _IMAGE_COLUMNS:
    raise ValueError(
      f'{path}: the row of {body[0][0]} has {len(body[0]) - 1} values, and the '
      f'header names {len(header) - 1} beside {header[0]!r}; name every column'
    )
  names = tuple(header if only_values else header[1:])
  is_header = bool(header) and header[0].casefold() in _IMAGE_COLUMNS
  check_names(names, path=path, is_header=is_header)
  return names, body


def check_names(
  names: Sequence[str], *, path: File, is_header: bool = False
) -> None:
  """Checks the names that a header gives to the columns of values.

  Args:
    names: of the columns of values.
    path: the table's file, for the error message.
    is_header: whether the row is known to be a header, so that names may be
      words such as 'y'.

  Raises:
    ValueError: there is none; one is empty, a number or repeated; or all are
      values such as 'yes'.
  """
  repeated = [n for n, count in collections.Counter(names).items() if count > 1]
  if not names:
    problem = 'names no attributes'
  elif any(map(_is_number, names)) or (
    not is_header and all(map(_is_word, names))
  ):
    problem = f'has no header, but a first row of {defects.few(names)}'
  elif not all(names):
    problem = 'has a column of values without a name'
  elif repeated:
    problem = f'has several columns named {defects.few(repeated)}'
  else:
    return
  raise ValueError(
    f'{path} {problem}: expected a first row that names each column, such as '
    '"image,Smiling,Male", and below it a row for each image'
  )


def by_name(table: Iterable[Row], *, path: File) -> dict[str, Row]:
  """Maps the first cell of each row to the row.

  Raises:
    ValueError: two rows of the same name differ.
  """
  named: dict[str, Row] = {}
  for row in table:
    if named.setdefault(row[0], row) != row:
      raise ValueError(
        f'{path} has two rows of {row[0]} that differ; remove one'
      )
  return named


def numbers(
  table: Sequence[Row], *, names: Sequence[str], path: File
) -> Float32[np.ndarray, 'rows columns']:
  """Converts the cells after the name of each row: numbers, 'true', 'no'.

  Args:
    table: the rows.
    names: the names of the columns of values.
    path: the table's file, for error messages.

  Raises:
    ValueError: a row has the wrong number of cells, or a cell is neither a
      finite number nor such a word.
  """
  for row in table:
    if len(row) != len(names) + 1:
      raise ValueError(
        f'{path}: the row of {row[0]} has {len(row) - 1} values, expected '
        f'{len(names)}; put a name that holds a separator into quotes, or '
        'fetch the table again'
      )
  cells = [row[1:] for row in table]
  try:
    values = np.array(cells, np.float32)
  except ValueError:  # words, or no numbers
    values = np.array([[_value(c) for c in row] for row in cells], np.float32)
  values = values.reshape(len(table), len(names))
  wrong = np.argwhere(~np.isfinite(values))
  if not len(wrong):
    return values
  row, column = wrong[0]
  raise ValueError(
    f'{path}: {len(set(wrong[:, 0]))} of {len(table)} rows hold a value that '
    f'is missing or no number; the row of {table[row][0]} has '
    f'{cells[row][column]!r} as {names[column]}: expected a finite number, '
    'true or false; fill it in, or remove the row; write classes as a column '
    'of 0 and 1 each'
  )


def _text(path: File) -> str:
  data = path.read_bytes()
  wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
  text = data.decode('utf-16' if wide else 'utf-8-sig')
  return text.replace('\r\n', '\n').replace('\r', '\n')


def _cells(
  lines: Iterable[str], separator: str, *, strict: bool = False
) -> Iterator[list[str]]:
  if separator == ' ':
    lines = (' '.join(line.split()) for line in lines)
  for row in csv.reader(
    lines, delimiter=separator, skipinitialspace=True, strict=strict
  ):
    cells = [cell.strip() for cell in row]
    if separator != ',':
      cells[1:] = map(_with_decimal_point, cells[1:])
    if any(cells):
      yield cells


def _with_decimal_point(cell: str) -> str:
  number = _DECIMAL_COMMA.fullmatch(cell)
  return f'{number[1]}.{number[2]}' if number else cell


def _fit(sample: Sequence[str], separator: str) -> tuple[int, int, bool]:
  """Counts rows that are a name and values; then values; then any cells."""
  table = [*_cells(sample, separator)]
  known = [[_value(cell) is not None for cell in row[1:]] for row in table]
  whole = sum(bool(row) and all(row) for row in known)
  return whole, sum(map(sum, known)), any(known)


def _value(cell: str) -> float | None:
  """Returns the number that a cell stands for, or None."""
  if _is_word(cell):
    return _WORDS[cell.casefold()]
  return float(cell) if _is_number(cell) else None


def _is_word(cell: str) -> bool:
  return cell.casefold() in _WORDS


def _is_number(cell: str) -> bool:
  try:
    float(cell)
  except ValueError:
    return False
  return True


def _is_comment(row: Row, *, width: int) -> bool:
  """Returns whether a row, whatever separates its words, is no header."""
  return row[0].startswith('#') and len(row) != width


def _has_index(header: Row) -> bool:
  """Returns whether a column without a name precedes that of the images."""
  return (
    len(header) > 2 and not header[0] and header[1].casefold() in _IMAGE_COLUMNS
  )


def _is_numbered(row: Row) -> bool:
  """Returns whether an integer precedes the name of the image."""
  return len(row) > 2 and row[0].isdecimal() and _value(row[1]) is None
