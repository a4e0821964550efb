"""The progress of long work on stderr: a bar in a terminal, lines in a log."""

from __future__ import annotations

import contextlib
import io
import sys

import tqdm

# Between two lines of a log.
_SECONDS = 30.0

_LINE = (
  '{desc}: {n_fmt} of {total_fmt} {unit}s, {elapsed} passed, '
  '{remaining} remain, {rate_fmt}{postfix}'
)


def start(
  total: int, *, label: str, unit: str, done: int = 0, shown: bool = True
) -> tqdm.tqdm:
  """Starts a bar, which is updated with the number of units that are done.

  If stderr is a file or a pipe, a plain line every half minute replaces the
  bar. A log that cannot be written does not end the work.

  Args:
    total: the units of the whole work.
    label: what is done.
    unit: of the work, in the singular.
    done: the units that are done already.
    shown: whether to show anything.
  """
  common = {
    'total': total,
    'initial': done,
    'desc': label,
    'unit': unit,
    'disable': not shown or sys.stderr is None,  # None where it is closed
  }
  if sys.stderr is not None and sys.stderr.isatty():
    return tqdm.tqdm(smoothing=0.1, **common)
  return tqdm.tqdm(
    file=_Lines(),
    mininterval=_SECONDS,
    miniters=1,
    bar_format=_LINE,
    **common,
  )


class _Lines(io.TextIOBase):
  """Writes each state of a bar to stderr as a line of its own."""

  def write(self, text: str) -> int:
    if line := text.strip():
      with contextlib.suppress(OSError):
        print(line, file=sys.stderr, flush=True)
    return len(text)
