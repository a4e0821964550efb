"""Compares what a checkpoint's manifest says with what a run expects."""

from __future__ import annotations

import logging
import pathlib
from collections.abc import Mapping
from typing import Any

_LOGGER = logging.getLogger(__name__)


def check(
  folder: pathlib.Path, about: Mapping[str, Any], *, expected: Mapping[str, str]
) -> None:
  """Refuses a checkpoint of another config or of other data.

  Args:
    folder: the checkpoint.
    about: what its manifest says.
    expected: the digests of what the run computes from, by name.

  Raises:
    ValueError: a digest differs.
  """
  for name, ours in expected.items():
    if about.get(name) != ours:
      raise ValueError(
        f'{folder} is a checkpoint of another {name} (sha256 '
        f'{about.get(name)}) than that of this run ({ours}): take another '
        '--workdir, or start the run with what it was saved with'
      )


def warn_of_changes(
  about: Mapping[str, Any], *, expected: Mapping[str, Any]
) -> None:
  """Tells of what may change in a run, such as its test images."""
  for name, ours in expected.items():
    if name in about and about[name] != ours:
      _LOGGER.warning(
        'The %s have changed since step %d: what was drawn and measured before '
        'cannot be compared with what follows.',
        name,
        about['step'],
      )
