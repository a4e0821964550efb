"""Times a training step: ours, an equal one in PyTorch, pythae's own.

python -m benchmarks.step [--sizes=64] [--batches=16,64] [--rounds=5]
  [--contestants=ours,torch] [--folder=DIR]

It needs no data and no accelerator. The contestants alternate, so that noise
affects all of them alike. It prints a table for each size and batch, and
writes DIR/step.json and DIR/step.png. A contestant that is not installed or
fails is named, and the others are timed; pip install .[bench] installs them.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import os
import pathlib
import platform
import sys
from typing import Any

from absl import app, flags

from benchmarks import contestants, measurements, picture

_SIZES = flags.DEFINE_list('sizes', ['64'], 'Pixels a side.')
_BATCHES = flags.DEFINE_list('batches', ['16', '64'], 'Images a step.')
_ROUNDS = flags.DEFINE_integer('rounds', 5, 'Timed turns.', lower_bound=1)
_CONTESTANTS = flags.DEFINE_list(
  'contestants',
  list(contestants.DEFAULT),
  f'Some of {", ".join(contestants.CONTESTANTS)}, or all.',
)
_FOLDER = flags.DEFINE_string('folder', '', 'Where JSON and picture go.')


def main(argv: list[str]) -> None:
  """Times every size and batch."""
  if argv[1:]:
    raise app.UsageError(f'unexpected arguments: {" ".join(argv[1:])}')
  try:
    cases = read_cases(_SIZES.value, _BATCHES.value)
    names = contestants.parse(_CONTESTANTS.value)
  except ValueError as error:
    sys.exit(f'Error: {error}')
  record: dict[str, Any] = {
    'command': ['python', '-m', 'benchmarks.step', *sys.argv[1:]],
    'machine': machine(),
    'rows': [],
    'failed': [],
  }
  for case in cases:
    rows, failed = measurements.measure(names, case, rounds=_ROUNDS.value)
    record['rows'] += rows
    record['failed'] += [f'{case}: {n}: {failed[n]}' for n in failed]
    print(f'{case}\n{measurements.table(rows)}\n', flush=True)
    # After each case, so that an interruption keeps the measurements so far.
    if _FOLDER.value:
      _write(record, pathlib.Path(_FOLDER.value))
  print(*record['failed'], sep='\n')


def read_cases(sizes: list[str], batches: list[str]) -> list[measurements.Case]:
  """Reads flags: every size with every batch.

  Raises:
    ValueError: for values that the networks do not support.
  """
  for text in sizes:
    if not text.isdigit() or int(text) < 8 or int(text) % 8:
      raise ValueError(f'--sizes has {text!r}: expected multiples of 8')
  for text in batches:
    if not text.isdigit() or int(text) < 2:
      raise ValueError(f'--batches has {text!r}: expected at least 2')
  return [measurements.Case(int(s), int(b)) for s in sizes for b in batches]


def machine() -> str:
  """Names the processor, the number of cores and the installed packages."""
  cores, model = len(os.sched_getaffinity(0)), platform.machine()
  with contextlib.suppress(OSError, StopIteration):
    lines = pathlib.Path('/proc/cpuinfo').read_text().splitlines()
    model = next(x for x in lines if x.startswith('model name')).split(': ')[1]
  versions = ['']
  for package in ('jax', 'torch', 'pythae'):
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
      versions.append(f'{package} {importlib.metadata.version(package)}')
  return f'{cores} cores of {model}{", ".join(versions)}'


def _write(record: dict[str, Any], folder: pathlib.Path) -> None:
  folder.mkdir(parents=True, exist_ok=True)
  (folder / 'step.json').write_text(json.dumps(record, indent=2) + '\n')
  if record['rows']:
    devices = {row['device'] for row in record['rows'] if row['device']}
    where = ', '.join([*devices, record['machine']])
    picture.draw(record['rows'], folder / 'step.png', machine=where)


if __name__ == '__main__':
  app.run(main)
