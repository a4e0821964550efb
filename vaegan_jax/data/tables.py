"""Lists that say something of each image: a name, then numbers."""

from __future__ import annotations

import csv
import pathlib
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Float32


def rows(path: pathlib.Path) -> Iterator[list[str]]:
  """Yields the cells of each line: by commas in a .csv, by blanks otherwise."""
  with path.open(encoding='utf-8-sig', newline='') as lines:
    cells = (
      csv.reader(lines) if path.suffix == '.csv' else map(str.split, lines)
    )
    yield from (row for row in cells if row)


def numbers(
  cells: Sequence[Sequence[str]], *, columns: int, path: pathlib.Path
) -> Float32[np.ndarray, 'rows columns']:
  """Turns what follows the name in each row into numbers.

  Raises:
    ValueError: a row has another count of numbers, or something else.
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
  return values.reshape(len(cells), columns)
