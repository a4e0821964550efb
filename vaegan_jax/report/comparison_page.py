"""The report of a reproduction: claims, figures and tables in one HTML file.

Each claim stands with its measurement and a verdict, including those that fail.
"""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Sequence

from vaegan_jax.report import page, tables

VERDICTS = ('holds', 'fails', 'undecided')


@dataclasses.dataclass(frozen=True)
class Figure:
  """A picture with its texts.

  Attributes:
    path: of a PNG or a GIF.
    title: 'Figure 3: samples of the four models'.
    caption: how it was made.
    alt: what can be seen, for readers who cannot see it.
  """

  path: pathlib.Path
  title: str
  caption: str
  alt: str


@dataclasses.dataclass(frozen=True)
class Judgement:
  """A claim of the paper and its verdict.

  Attributes:
    statement: the claim, in one sentence.
    place: where the paper makes it: 'section 4.2, table 1'.
    measure: 'attribute similarity, cosine'.
    threshold: the condition for the claim to hold: 'above 0.02'.
    value: the measured value, as text.
    spread: of the value over seeds: '0.003 over 5 seeds'; '' if unknown.
    verdict: 'holds', 'fails' or 'undecided'.
    detail: further remarks; '' if none.

  Raises:
    ValueError: the verdict is none of these.
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
  tables: Sequence[tables.Table],
  judgements: Sequence[Judgement],
  walks: Sequence[Figure],
  notes: Sequence[str],
) -> pathlib.Path:
  """Writes the report of a reproduction atomically.

  Args:
    path: of the HTML file; missing folders are made.
    title: of the page.
    facts: (name, value) pairs: data, steps, time, device.
    figures: in the paper's order. The page names those whose file is missing.
    tables: in the paper's order.
    judgements: in the paper's order.
    walks: moving pictures.
    notes: paragraphs on how to read the numbers.

  Returns:
    the path.
  """
  text = page.render(
    'comparison.html.jinja',
    title=title,
    facts=facts,
    figures=figures,
    tables=tables,
    judgements=judgements,
    verdicts=VERDICTS,
    walks=walks,
    notes=notes,
  )
  return page.write(path, text)
