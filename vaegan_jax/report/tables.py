"""Tables of texts, written for a terminal, as Markdown or as CSV."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Mapping, Sequence

import numpy as np


@dataclasses.dataclass(frozen=True)
class Table:
  """A table of texts, whose first column names the rows.

  Raises:
    ValueError: a row is longer or shorter than the header.
  """

  title: str
  lead: str  # how its numbers were made, or ''
  header: Sequence[str]
  rows: Sequence[Sequence[str]]

  def __post_init__(self):
    for row in self.rows:
      if len(row) != len(self.header):
        raise ValueError(
          f'table {self.title!r} has the row {tuple(row)} of {len(row)} cells: '
          f'expected {len(self.header)}, as in its header'
        )

  def text(self) -> str:
    """Returns aligned text: the first column left, the others right."""
    rows = [self.header, *self.rows]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *others in rows:
      cells = [first.ljust(widths[0])]
      cells += [x.rjust(w) for x, w in zip(others, widths[1:], strict=True)]
      lines.append('  '.join(cells).rstrip())
    return '\n'.join([*lines, '', self.lead, ''])

  def markdown(self) -> str:
    """Returns Markdown: a heading, the lead and the table."""
    rule = [':--', *['--:'] * (len(self.header) - 1)]
    lines = [
      '| ' + ' | '.join(cell.replace('|', r'\|') for cell in row) + ' |'
      for row in [self.header, rule, *self.rows]
    ]
    lead = [self.lead, ''] if self.lead else []
    return '\n'.join([f'## {self.title}', '', *lead, *lines, ''])

  def comma_separated(self) -> str:
    """Returns header and rows as CSV."""
    file = io.StringIO()
    csv.writer(file, lineterminator='\n').writerows([self.header, *self.rows])
    return file.getvalue()


def row_of_means(
  seeds: Sequence[Mapping[str, float]], columns: Mapping[str, tuple[str, int]]
) -> list[str]:
  """Formats the means of measures over seeds; a seed may lack some.

  Args:
    seeds: the measures of each seed.
    columns: measure -> its heading and the digits after the point.
  """
  return [
    mean_and_deviation([found.get(measure) for found in seeds], digits=digits)
    for measure, (_, digits) in columns.items()
  ]


def mean_and_deviation(values: Sequence[float | None], *, digits: int) -> str:
  """Formats a mean ± the standard deviation, if any; '' without values.

  A NaN or infinity shows. Values that are None are left out of the mean and
  counted: '0.5 (1 of 2)'.
  """
  known = [x for x in values if x is not None]
  if not known:
    return ''
  mean = f'{np.mean(known):.{digits}f}'
  if len(known) > 1:
    mean += f' ± {np.std(known, ddof=1):.{digits}f}'
  if len(known) < len(values):
    mean += f' ({len(known)} of {len(values)})'
  return mean
