"""The paths that users give: on command lines, in configs, in the environment.

Every such path passes `absolute` once, so that all are read alike.
"""

from __future__ import annotations

import os
import pathlib
import re

# gs://bucket/run, s3:/bucket, host:/export; C:/ has a single letter.
_REMOTE = re.compile(r'[\w+.-]{2,}:/')

_QUOTES_AND_BLANKS = ' \t\r\n\'"'


def absolute(given: str | os.PathLike, *, name: str) -> pathlib.Path:
  """Returns the absolute path that a user means.

  Expands ~ and variables such as $SCRATCH; a relative path begins in the
  current folder. Links are not followed, and nothing needs to exist.

  Args:
    given: the path.
    name: of the flag, setting or variable that holds it, for the error.

  Raises:
    ValueError: the path is empty, is the address of a remote store, has blanks
      or quotes around it, or contains an unknown user or variable.
  """
  text = os.fspath(given)
  if reason := _unusable(text):
    raise ValueError(f'{name} = {text!r}: {reason}')
  expanded = os.path.expandvars(os.path.expanduser(text))
  if unset := re.search(r'\$(\w+|\{[^}]*\})', expanded):
    raise ValueError(
      f'{name} = {text!r}: the environment has no variable {unset[1]}; set it, '
      'or write the path in full'
    )
  if expanded.startswith('~'):
    user = expanded.partition('/')[0]
    raise ValueError(
      f'{name} = {text!r}: the home folder {user} is unknown; set HOME, or '
      'write the path in full'
    )
  return pathlib.Path(expanded).absolute()


def _unusable(text: str) -> str:
  if not text.strip():
    return 'expected a path, but it is empty'
  if text != text.strip(_QUOTES_AND_BLANKS):
    return 'remove the blanks or quotes around the path'
  if remote := _REMOTE.match(text):
    return (
      f'{remote[0]} is not a path of this machine, and nothing reads or writes '
      'there; mount it, or copy it, and give the local path'
    )
  return ''
