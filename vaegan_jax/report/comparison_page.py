"""One HTML file that holds a reproduction beside the paper.

Every claim comes with what was measured and with a verdict, and those that
fail are shown as failing.
"""

from __future__ import annotations

import collections
import csv
import dataclasses
import io
import pathlib
from collections.abc import Sequence

import numpy as np

from vaegan_jax.files import atomic
from vaegan_jax.report import markup

# Verdict -> its sign, and what is said of several.
VERDICTS = {
  'holds': ('\N{CHECK MARK}', 'hold'),
  'fails': ('\N{MULTIPLICATION X}', 'fail'),
  'undecided': ('?', 'undecided'),
}


@dataclasses.dataclass(frozen=True)
class Figure:
  """A picture with its words.

  Attributes:
    path: of a PNG or a GIF.
    title: 'Figure 3: samples of the four models'.
    caption: what to see in it.
    alt: what it shows, for those who do not see it.
  """

  path: pathlib.Path
  title: str
  caption: str
  alt: str


@dataclasses.dataclass(frozen=True)
class Table:
  """A table of texts, whose first column names the rows.

  Attributes:
    title: what it is about.
    lead: a sentence on how its numbers came about.
    header: of each column; 'paper' beside 'ours' where a number is published.
    rows: each as long as the header.

  Raises:
    ValueError: a row is longer or shorter than the header.
  """

  title: str
  lead: str
  header: Sequence[str]
  rows: Sequence[Sequence[str]]

  def __post_init__(self):
    for row in self.rows:
      if len(row) != len(self.header):
        raise ValueError(
          f'table {self.title!r} has the row {tuple(row)} of {len(row)} cells: '
          f'expected {len(self.header)}, as in its header'
        )


@dataclasses.dataclass(frozen=True)
class Judgement:
  """A claim of the paper and what became of it.

  Attributes:
    statement: the claim, in one sentence.
    place: where the paper makes it: 'section 4.2, table 1'.
    measure: what was measured: 'attribute similarity, cosine'.
    threshold: what it had to reach to hold: 'above 0.02'.
    value: what it reached, as text.
    spread: of the value over seeds or draws: '0.003 over 5 seeds'; '' if it
      was measured once.
    verdict: 'holds', 'fails' or 'undecided'.
    detail: what else one should know; '' if nothing.

  Raises:
    ValueError: there is no such verdict.
  """

  statement: str
  place: str
  measure: str
  threshold: str
  value: str
  spread: str
  verdict: str
  detail: str

  def __post_init__(self):
    if self.verdict not in VERDICTS:
      raise ValueError(
        f'verdict {self.verdict!r} on {self.statement!r}: expected one of '
        f'{", ".join(VERDICTS)}'
      )


def write(
  path: pathlib.Path,
  *,
  title: str,
  facts: Sequence[tuple[str, str]],
  figures: Sequence[Figure],
  tables: Sequence[Table],
  judgements: Sequence[Judgement],
  walks: Sequence[Figure],
  notes: Sequence[str],
) -> pathlib.Path:
  """Writes the report of a reproduction: whole, or not at all.

  Args:
    path: of the HTML file; folders that are missing are made.
    title: of the page.
    facts: name and value of each: data, steps, time, device.
    figures: in the paper's order; one whose file is missing is named as such.
    tables: in the paper's order.
    judgements: in the paper's order.
    walks: moving pictures.
    notes: what a reader must know to judge the numbers, a paragraph each.

  Returns:
    the path.
  """
  sections = {
    'claims': _claims(judgements),
    'figures': _figures(figures),
    'walks': _walks(walks),
    'tables': _tables(tables),
    'notes': _notes(notes),
  }
  shown = {name: section for name, section in sections.items() if section}
  page = markup.document(
    title=title,
    kicker='vaegan_jax, a reproduction beside its paper',
    header=[
      _tally(judgements),
      markup.facts(facts),
      markup.navigation((name, name.capitalize()) for name in shown),
    ],
    body=shown.values(),
  )
  path.parent.mkdir(parents=True, exist_ok=True)
  atomic.write_text(path, page)
  return path


def markdown(tables: Sequence[Table]) -> str:
  """Writes tables as Markdown, a heading and a lead above each."""
  return '\n'.join(_markdown(table) for table in tables)


def text(table: Table) -> str:
  """Writes a table for a terminal: the first column left, the others right."""
  rows = [table.header, *table.rows]
  widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
  lines = []
  for first, *others in rows:
    cells = [first.ljust(widths[0])]
    cells += [x.rjust(w) for x, w in zip(others, widths[1:], strict=True)]
    lines.append('  '.join(cells).rstrip())
  return '\n'.join([*lines, '', table.lead, ''])


def comma_separated(table: Table) -> str:
  """Writes header and rows of a table as CSV."""
  file = io.StringIO()
  csv.writer(file, lineterminator='\n').writerows([table.header, *table.rows])
  return file.getvalue()


def spread(values: Sequence[float], *, digits: int) -> str:
  """Writes a mean, and of several values ± their standard deviation.

  Args:
    values: '' if there are none.
    digits: behind the point.
  """
  if not values:
    return ''
  mean = f'{np.mean(values):.{digits}f}'
  if len(values) > 1:
    mean += f' ± {np.std(values, ddof=1):.{digits}f}'
  return mean


def _markdown(table: Table) -> str:
  rule = [':--', *['--:'] * (len(table.header) - 1)]
  rows = [table.header, rule, *table.rows]
  lines = [
    '| ' + ' | '.join(cell.replace('|', r'\|') for cell in row) + ' |'
    for row in rows
  ]
  lead = [table.lead, ''] if table.lead else []
  return '\n'.join([f'## {table.title}', '', *lead, *lines, ''])


def _tally(judgements: Sequence[Judgement]) -> markup.Markup:
  """Counts the verdicts, failures among them even if there is none."""
  if not judgements:
    return markup.missing('No claim was judged.')
  counts = collections.Counter(j.verdict for j in judgements)
  words = (
    (verdict, sign, n := counts[verdict], verdict if n == 1 else several)
    for verdict, (sign, several) in VERDICTS.items()
  )
  total = len(judgements)
  return markup.tally('1 claim' if total == 1 else f'{total} claims', words)


def _claims(judgements: Sequence[Judgement]) -> markup.Markup | None:
  if not judgements:
    return None
  return markup.section(
    'claims',
    title='What the paper claims, and what was measured',
    lead='Each claim with its measure, what it had to reach, and what it did.',
    body=[markup.division('claims', map(_claim, judgements))],
  )


def _claim(judgement: Judgement) -> markup.Markup:
  sign, _ = VERDICTS[judgement.verdict]
  spread = f' ± {judgement.spread}' if judgement.spread else ''
  return markup.claim(
    verdict=judgement.verdict,
    sign=sign,
    statement=judgement.statement,
    place=judgement.place,
    measured=[
      ('Measure', judgement.measure),
      ('Threshold', judgement.threshold),
      ('Measured', judgement.value + spread),
    ],
    detail=judgement.detail,
  )


def _figures(figures: Sequence[Figure]) -> markup.Markup | None:
  if not figures:
    return None
  return markup.section(
    'figures',
    title="The paper's figures",
    lead='In the arrangement of the paper, from the models of this run.',
    body=map(_picture, figures),
  )


def _walks(walks: Sequence[Figure]) -> markup.Markup | None:
  if not walks:
    return None
  return markup.section(
    'walks',
    title='Walks in latent space',
    lead='Each frame is one code, decoded; the pictures never end.',
    body=map(_picture, walks),
  )


def _picture(figure: Figure) -> markup.Markup:
  body = (
    markup.picture(figure.path, alt=figure.alt)
    if figure.path.exists()
    else markup.missing(f'No {figure.path.name} in this run.')
  )
  return markup.part(
    title=figure.title,
    lead=figure.caption,
    body=[markup.division('pixels', [body])],
  )


def _tables(tables: Sequence[Table]) -> markup.Markup | None:
  if not tables:
    return None
  parts = [
    markup.part(
      title=table.title,
      lead=table.lead,
      body=[
        markup.scroll(
          markup.table(table.rows, header=table.header), label=table.title
        )
      ],
    )
    for table in tables
  ]
  return markup.section(
    'tables',
    title='Tables',
    lead='Where the paper publishes a number, it stands beside ours.',
    body=parts,
  )


def _notes(notes: Sequence[str]) -> markup.Markup | None:
  if not notes:
    return None
  return markup.section(
    'notes',
    title='Notes',
    lead='What one should know to judge these numbers.',
    body=[markup.items(notes)],
  )
