"""Images that cannot be used: a few are left out, more of them stop a run."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from vaegan_jax.data.images import label_tables

_LOGGER = logging.getLogger(__name__)

# The share of a split that may be broken without a question.
TOLERATED = 0.001


class Broken(ValueError):
  """Says that one image of a source cannot be used, and why.

  Attributes:
    name: of the image.
    why: what is wrong with it, and what to do.
  """

  def __init__(self, name: str, why: str):
    super().__init__(name, why)
    self.name, self.why = name, why

  def __str__(self) -> str:
    """Joins name and reason."""
    return f'{self.name}: {self.why}'


def check(
  broken: Sequence[Broken], total: int, *, label: str, allowed: bool
) -> None:
  """Refuses to go on without more than a thousandth of the images.

  Args:
    broken: those found so far.
    total: images of the split.
    label: of source and split, for the error.
    allowed: whether any number may be left out, `config.data.skip_broken`.

  Raises:
    ValueError: counting and naming them, or if not one is left.
  """
  if len(broken) <= TOLERATED * total or (allowed and len(broken) < total):
    return
  remedy = 'mend or remove them'
  if len(broken) < total:
    remedy += ', or go on without them by --config.data.skip_broken=True'
  raise ValueError(f'{_describe(broken, total, label=label)}; {remedy}')


def warn(broken: Sequence[Broken], total: int, *, label: str) -> None:
  """Logs what is left out, if anything is."""
  if broken:
    what = _describe(broken, total, label=label)
    _LOGGER.warning('%s. They are left out.', what)


def count(
  names: Sequence[str],
  *,
  unusable: Mapping[str, str],
  label: str,
  allowed: bool,
) -> int:
  """Counts the images of a split, of which some are known to be unusable.

  Args:
    names: of all.
    unusable: names -> what is wrong with them.
    label: of source and split, for the error.
    allowed: as of `check`.

  Raises:
    ValueError: as of `check`, before anything is decoded.
  """
  broken = [Broken(n, unusable[n]) for n in names if n in unusable]
  check(broken, len(names), label=label, allowed=allowed)
  return len(names)


def refuse(names: Sequence[str], *, unusable: Mapping[str, str]) -> None:
  """Raises Broken for the first name that is known to be unusable."""
  for name in names:
    if name in unusable:
      raise Broken(name, unusable[name])


def _describe(broken: Sequence[Broken], total: int, *, label: str) -> str:
  some = label_tables.some([error.name for error in broken], total)
  return f'{some} of {label} cannot be used. {broken[0]}'
