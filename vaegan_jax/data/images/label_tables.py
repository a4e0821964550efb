"""Lists that say something of each image: a name, then numbers."""

from __future__ import annotations

import csv
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Float32

# How many names an error says of those that it counts.
_NAMED = 3


def rows(path: pathlib.Path, *, tabs: bool = False) -> Iterator[list[str]]:
  """Yields the cells of each line: by commas in a .csv, by blanks otherwise.

  Args:
    path: of the list.
    tabs: cells end at tabs alone, so that they may hold blanks.

  Raises:
    ValueError: it is no text, or no table.
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
    raise ValueError(f'{path} is no table ({error}); fetch it again') from error


def by_name(
  cells: Iterable[Sequence[str]], *, path: pathlib.Path
) -> dict[str, Sequence[str]]:
  """Maps the name that each row begins with to the row.

  Raises:
    ValueError: two rows of one name say different things.
  """
  table: dict[str, Sequence[str]] = {}
  for row in cells:
    if table.setdefault(row[0], row) != row:
      raise ValueError(
        f'{path} has two rows of {row[0]} that differ: which of them is meant? '
        'Remove one'
      )
  return table


def lookup(
  table: Mapping[str, Sequence[str]],
  names: Sequence[str],
  *,
  columns: int,
  path: pathlib.Path,
) -> Float32[np.ndarray, 'names columns']:
  """Finds the numbers of each image; zeros, if the table has no row of it.

  Args:
    table: an image's name -> its row, which begins with the name.
    names: of the images wanted.
    columns: numbers a row.
    path: of the list, for errors.

  Raises:
    ValueError: as `numbers` says.
  """
  found = [place for place, name in enumerate(names) if name in table]
  values = np.zeros((len(names), columns), np.float32)
  values[found] = numbers(
    [table[names[place]] for place in found], columns=columns, path=path
  )
  return values


def some(names: Sequence[str], total: int) -> str:
  """Counts images and names the first: '5 of 8 images (a, b, c, ...)'."""
  more = ', ...' if len(names) > _NAMED else ''
  first = ', '.join(names[:_NAMED])
  return f'{len(names)} of {total} images ({first}{more})'


def numbers(
  cells: Sequence[Sequence[str]], *, columns: int, path: pathlib.Path
) -> Float32[np.ndarray, 'rows columns']:
  """Turns what follows the name in each row into numbers.

  Raises:
    ValueError: a row has another count of numbers, or something else, or a
      number that is not finite.
  """
  for row in cells:
    if len(row) != columns + 1:
      raise ValueError(
        f'{path}: the row of {row[0]} has {len(row) - 1} values, expected '
        f'{columns}; the list is damaged'
      )
  try:
    values = np.array([row[1:] for row in cells], np.float32)
  except ValueError as error:
    raise ValueError(f'{path}: {error}; the values must be numbers') from error
  values = values.reshape(len(cells), columns)
  if not np.isfinite(values).all():
    place = int(np.argmin(np.isfinite(values).all(1)))
    raise ValueError(
      f'{path}: the row of {cells[place][0]} holds a number that is not finite'
    )
  return values
