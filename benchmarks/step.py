"""Times a training step: ours, an equal one in PyTorch, pythae's own.

python -m benchmarks.step [--batches=16,64] [--sizes=64] [--rounds=5]
  [--contestants=ours,torch] [--limit_s=540] [--folder=DIR]

One command for laptops and accelerators; it needs no data. It takes turns, so
that a noisy machine is noisy for all, prints a table for each size and batch,
and writes DIR/step.json and DIR/step.png. Contestants that are not installed
are left out, and named. pip install .[bench] installs them.
"""

from __future__ import annotations

import json
import pathlib
import sys
from typing import Any

from absl import app, flags

from benchmarks import (
  contestants,
  host,
  picture,
  race,
  results,
  survey,
  workers,
)

_BATCHES = flags.DEFINE_list('batches', ['16', '64'], 'Images a step.')
_SIZES = flags.DEFINE_list('sizes', ['64'], 'Pixels a side.')
_ROUNDS = flags.DEFINE_integer('rounds', 5, 'Timed turns.', lower_bound=1)
_CONTESTANTS = flags.DEFINE_list(
  'contestants',
  [],
  f'Who is timed: {", ".join([*contestants.CONTESTANTS, contestants.LOOP])}. '
  'By default all that this machine can run.',
)
_LIMIT = flags.DEFINE_float(
  'limit_s', 0, 'Starts no new measurement after so many seconds; 0: never.'
)
_FOLDER = flags.DEFINE_string('folder', '', 'Where JSON and picture go.')

# Images a step of the paper's schedule, to which the loop is extrapolated.
_PAPER_BATCH = 64


def main(argv: list[str]) -> None:
  """Times every size and batch."""
  if argv[1:]:
    raise app.UsageError(f'unexpected arguments: {" ".join(argv[1:])}')
  try:
    cases = read_cases(_SIZES.value, _BATCHES.value)
    asked = contestants.parse(_CONTESTANTS.value)
  except ValueError as error:
    sys.exit(f'Error: {error}')
  budget = race.Budget(_LIMIT.value)
  found = survey.survey(asked)
  record = {
    'command': ['python', '-m', 'benchmarks.step', *sys.argv[1:]],
    **found.machine,
    'rows': [],
    'missing': results.missing(found.missing),
  }
  names = found.names
  if contestants.LOOP in names:
    record['loop'] = _loop(cases[0])
  stepped = [name for name in names if name != contestants.LOOP]
  for case in cases:
    timed, missing = race.run(
      stepped,
      case,
      rounds=_ROUNDS.value,
      shared=bool(record['accelerator']),
      budget=budget,
    )
    rows = results.rows(timed, record['ceilings'])
    record['rows'] += rows
    record['missing'] += results.missing(missing)
    print(f'{case}\n{results.table(rows)}\n', flush=True)
    # After each case: whoever stops this keeps what was measured.
    _write(record)
  for lack in record['missing']:
    print(results.reason(lack))


def read_cases(sizes: list[str], batches: list[str]) -> list[race.Case]:
  """Reads flags: every size with every batch.

  Raises:
    ValueError: for what the networks cannot do.
  """
  for name, given, least, multiple in (
    ('sizes', sizes, 8, 8),
    ('batches', batches, 2, 1),
  ):
    for text in given:
      if not text.isdigit() or int(text) < least or int(text) % multiple:
        raise ValueError(
          f'--{name} has {text!r}: expected whole numbers of at least {least}'
          + (f', multiples of {multiple}' if multiple > 1 else '')
        )
  return [race.Case(int(s), int(b)) for s in sizes for b in batches]


def _loop(case: race.Case) -> dict[str, Any]:
  """Trains for a stretch with the training loop, and tells of it."""
  race.say(f'the training loop, batch {_PAPER_BATCH}, runs for a stretch')
  try:
    with workers.opened() as worker:
      stretch = worker.call(host.train, case.size, _PAPER_BATCH)
  except host.Failed as error:
    print(f'failed: {contestants.LOOP}: {error}\n', flush=True)
    return {'failed': str(error)}
  print(
    f'training loop, {case.size}x{case.size}, batch {_PAPER_BATCH}, '
    f'{stretch["steps"]} steps: {stretch["images_per_second"]:.0f} images/s; '
    f'extrapolated: {stretch["schedule_steps"]} steps would take '
    f'{stretch["schedule_minutes_extrapolated"]:.1f} min\n',
    flush=True,
  )
  return stretch


def _write(record: dict[str, Any]) -> None:
  """Writes what there is so far, if a folder is given."""
  if not _FOLDER.value:
    return
  folder = pathlib.Path(_FOLDER.value)
  folder.mkdir(parents=True, exist_ok=True)
  (folder / 'step.json').write_text(json.dumps(record, indent=2) + '\n')
  if record['rows']:
    picture.draw(record['rows'], folder / 'step.png', machine=record['machine'])


if __name__ == '__main__':
  app.run(main)
