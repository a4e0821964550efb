"""Writes docs/metrics.md, the tables of all metrics.

python -m experiments.metrics_page
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Mapping, Sequence

from vaegan_jax.core import metrics
from vaegan_jax.report import measures

PATH = pathlib.Path(__file__).parent.parent / 'docs' / 'metrics.md'

_HEAD = """\
# Metrics

What training logs, and what an evaluation measures, made from
[metrics.py](../vaegan_jax/core/metrics.py) and
[measures.py](../vaegan_jax/report/measures.py) by
`python -m experiments.metrics_page`.

## Training

Rows of `metrics.jsonl`, and events of TensorBoard. Losses are means over the
batch, per image. `updated` is 1 in a step that updated the network, else 0, and
`updates` is their sum. A run logs those of the networks that its model has.

"""
_SETS = """\

## Sets of images

`python -m experiments.evaluate` compares four sets of images with held-out
ones, and writes each metric as `SET/METRIC` to `evaluation.json`. The sets are:

{sets}

Metrics rise or fall with the number of images: compare them with those of real
images, which are measured too. Better is higher, lower, or close to 1. Features
are those of a predictor of the data's attributes, or of a network of random
weights. The [API](api.md) has the formulas.

"""
_OTHERS = """\

## Reconstructions, edits and requests

The last rows are of conditional models.

"""


def page() -> str:
  """Returns the text of docs/metrics.md."""
  steps = (
    (f'`{m.name}`', m.panel.title if m.panel else '', m.title, m.unit)
    for m in metrics.METRICS
  )
  sets = '\n'.join(f'- `{n}`: {title}' for n, title in measures.SETS.items())
  of_sets = _rows(measures.OF_SETS)
  others = _rows(measures.OTHERS)
  ends = ('metric', 'meaning', 'unit', 'better', 'definition')
  return ''.join(
    [
      _HEAD,
      _table(('metric', 'figure', 'line', 'unit'), steps),
      _SETS.format(sets=sets),
      _table(ends, of_sets),
      _OTHERS,
      _table(ends, others),
    ]
  )


def _rows(titles: Mapping[str, tuple[str, ...]]) -> Iterable[Sequence[str]]:
  for name, row in titles.items():
    yield f'`{name}`', *row, measures.DEFINITIONS.get(name, '')


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
  lines = [heads, ['---'] * len(heads), *rows]
  return ''.join(f'| {" | ".join(line)} |\n' for line in lines)


if __name__ == '__main__':
  PATH.write_text(page())
