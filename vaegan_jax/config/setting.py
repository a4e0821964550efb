"""One setting: the type, the bounds and the meaning of its values."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Iterable
from typing import Any

KINDS: dict[type, str] = {
  bool: 'True or False',
  int: 'a whole number',
  float: 'a finite number',
  str: 'text',
  tuple: 'whole numbers above 0, separated by commas',
}


@dataclasses.dataclass(frozen=True)
class Setting:
  """What a setting means, and which values it may have.

  Attributes:
    kind: the type of its values. A tuple holds whole numbers above 0.
    meaning: one sentence for the docs.
    default: None if each experiment must decide.
    least: the smallest number allowed.
    most: the largest number allowed, or the most items of a tuple.
    positive: whether 0 is refused.
    choices: the texts allowed; empty if any text is.
    form: the allowed values in words, where the kind does not say enough.
    path: whether it is a path; '' is none.
    runtime: whether it decides only where and how a run is computed, so that
      it may change when the run resumes.
    grows: whether it may be raised when the run resumes.
  """

  kind: type
  meaning: str
  default: Any = None
  _: dataclasses.KW_ONLY
  least: float = 0
  most: float | None = None
  positive: bool = False
  choices: tuple[str, ...] = ()
  form: str = ''
  path: bool = False
  runtime: bool = False
  grows: bool = False

  def allowed(self) -> str:
    """Describes the allowed values, as in 'a whole number, at least 1'."""
    if self.choices:
      return f'one of {", ".join(self.choices)}'
    words = [self.form or KINDS[self.kind]]
    if self.kind in (int, float):
      lower = 'more than 0' if self.positive else f'at least {self.least}'
      upper = '' if self.most is None else f' and at most {self.most}'
      words.append(lower + upper)
    return ', '.join(words)

  def allows(self, value: Any) -> bool:
    """Returns whether a value has the right type and lies within bounds."""
    if self.kind is tuple:
      is_row = isinstance(value, tuple | list) and len(value) > 0
      return (
        is_row
        and all(type(x) is int and x > 0 for x in value)
        and (self.most is None or len(value) <= self.most)
      )
    if self.kind in (bool, str):
      fits = type(value) is self.kind
      return fits and (not self.choices or value in self.choices)
    if type(value) not in (int, self.kind) or not math.isfinite(value):
      return False
    above = value > 0 if self.positive else value >= self.least
    return above and (self.most is None or value <= self.most)

  def require(self, value: Any, *, name: str) -> Any:
    """Returns a value that is allowed.

    Raises:
      ValueError: naming the setting, its value and the allowed values.
    """
    if not self.allows(value):
      near = hint(str(value), self.choices)
      raise ValueError(f'{name} = {value!r}: expected {self.allowed()}{near}')
    return value


def hint(name: str, known: Iterable[str], *, form: str = '{}') -> str:
  """Suggests the nearest known name, even if its section is missing."""
  known = list(known)
  whole = {x.lower(): x for x in known}
  last = {x.rpartition('.')[2].lower(): x for x in known}
  for names, cutoff in ((last, 0.7), (whole, 0.5)):
    near = difflib.get_close_matches(name.lower(), names, n=1, cutoff=cutoff)
    if near:
      return f'; did you mean {form.format(names[near[0]])}?'
  return ''
