"""Tables of image labels: each row is a name, then numbers."""

from __future__ import annotations

import csv
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Float32


def rows(path: pathlib.Path, *, tabs: bool = False) -> Iterator[list[str]]:
  """Yields the cells of each line that is not empty.

  Cells are separated by commas in a .csv and by white space otherwise.

  Args:
    path: the table.
    tabs: separate cells by tabs only, so that they may hold spaces.

  Raises:
    ValueError: the file is not text, or not a table.
  """
  try:
    with path.open(encoding='utf-8-sig', newline='') as lines:
      cells: Iterable[list[str]]
      if tabs:
        cells = (line.strip('\r\n').split('\t') for line in lines)
        cells = (row for row in cells if any(map(str.strip, row)))
      elif path.suffix == '.csv':
        cells = csv.reader(lines)
      else:
        cells = map(str.split, lines)
      yield from (row for row in cells if row)
  except (UnicodeDecodeError, csv.Error) as error:
    raise ValueError(
      f'{path} is not a table ({error}); fetch it again'
    ) from error


def by_name(
  table: Iterable[Sequence[str]], *, path: pathlib.Path
) -> dict[str, Sequence[str]]:
  """Maps the first cell of each row to the row.

  Raises:
    ValueError: two rows of the same name differ.
  """
  named: dict[str, Sequence[str]] = {}
  for row in table:
    if named.setdefault(row[0], row) != row:
      raise ValueError(
        f'{path} has two rows of {row[0]} that differ; remove one'
      )
  return named


def lookup(
  table: Mapping[str, Sequence[str]],
  names: Sequence[str],
  *,
  columns: int,
  path: pathlib.Path,
) -> Float32[np.ndarray, 'names columns']:
  """Returns the numbers of each image; zeros for images without a row.

  Args:
    table: rows by name, as `by_name` returns them.
    names: the images.
    columns: numbers per row.
    path: the table's file, for error messages.

  Raises:
    ValueError: as `numbers`.
  """
  found = [i for i, name in enumerate(names) if name in table]
  values = np.zeros((len(names), columns), np.float32)
  cells = [table[names[i]] for i in found]
  values[found] = numbers(cells, columns=columns, path=path)
  return values


def numbers(
  table: Sequence[Sequence[str]], *, columns: int, path: pathlib.Path
) -> Float32[np.ndarray, 'rows columns']:
  """Converts the cells after the name of each row.

  Raises:
    ValueError: a row has the wrong number of cells, or a cell is not a finite
      number.
  """
  for row in table:
    if len(row) != columns + 1:
      raise ValueError(
        f'{path}: the row of {row[0]} has {len(row) - 1} values, expected '
        f'{columns}; the table is damaged'
      )
  try:
    values = np.array([row[1:] for row in table], np.float32)
  except ValueError as error:
    raise ValueError(f'{path}: {error}; the values must be numbers') from error
  values = values.reshape(len(table), columns)
  finite = np.isfinite(values).all(axis=1)
  if not finite.all():
    name = table[int(np.argmin(finite))][0]
    raise ValueError(f'{path}: the row of {name} holds a NaN or infinity')
  return values
