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
  """A PNG or a GIF with its texts."""

  path: pathlib.Path
  title: str  # 'Figure 3: samples'
  caption: str  # how it was made
  alt: str  # what can be seen


@dataclasses.dataclass(frozen=True)
class Judgement:
  """A claim of the paper and its verdict.

  Raises:
    ValueError: the verdict is none of VERDICTS.
  """

  statement: str  # the claim, in one sentence
  place: str  # where the paper makes it: 'section 4.2, table 1'
  measure: str  # 'similarity: cosine'
  threshold: str  # the condition for the claim to hold: 'above 0.02'
  value: str
  spread: str  # '0.003 over 5 seeds', or ''
  verdict: str
  detail: str  # further remarks, or ''

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
    figures: the page names those whose file is missing.
    tables: of the measures.
    judgements: of the claims.
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
