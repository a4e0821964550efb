"""Compares several runs in one table.

python -m experiments.compare DIR... [--output=table.md]

DIR is the workdir of a run, or a folder of such; runs need not be finished. The
table includes the measures of experiments.evaluate, where it was run.
"""

from __future__ import annotations

import pathlib
import sys
from collections.abc import Sequence

from absl import app, flags

from experiments import launch
from vaegan_jax.files import paths

_OUTPUT = flags.DEFINE_string(
  'output',
  None,
  'A file to write the table to: .md, or .csv with every digit.',
)
_MEASURES = flags.DEFINE_list(
  'measures',
  None,
  'Measures of experiments.evaluate to show, such as samples/kernel; a few by '
  'default.',
)


def main(argv: list[str]) -> None:
  """Prints the table, and writes it to --output."""
  if not argv[1:]:
    raise app.UsageError('expected the folder of a run, or several')
  try:
    _compare([paths.absolute(word, name='folder') for word in argv[1:]])
  except ValueError as error:
    sys.exit(f'Error: {error}')


def _compare(folders: Sequence[pathlib.Path]) -> None:
  from experiments import run_files, run_table
  from vaegan_jax.files import atomic

  output = None
  if _OUTPUT.value is not None:
    output = paths.absolute(_OUTPUT.value, name='--output')
    _check(output)
  found = [
    run_files.read(path, name=n) for n, path in run_files.find(folders).items()
  ]
  table = run_table.table(found, measures=_MEASURES.value)
  if output is not None and output.suffix == '.csv':
    exact = run_table.table(found, measures=_MEASURES.value, exact=True)
    atomic.write_text(output, exact.comma_separated())
  elif output is not None:
    atomic.write_text(output, table.markdown())
  print(table.text(), end='')


def _check(output: pathlib.Path) -> None:
  if output.suffix not in ('.md', '.csv'):
    raise ValueError(f'--output={output}: expected a name in .md or .csv')
  if not output.parent.is_dir():
    raise ValueError(f'--output={output}: {output.parent} does not exist')


if __name__ == '__main__':
  launch.run(main)
