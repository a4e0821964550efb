"""The paths that users give: on command lines, in configs, in the environment.

Every such path passes `absolute` once, so that all are read alike.
"""

from __future__ import annotations

import functools
import logging
import os
import pathlib
import re
import sys
import tempfile

_LOGGER = logging.getLogger(__name__)

_PROJECT = 'vaegan_jax'

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
  if unset := re.search(r'\$(\w+|\{[^}]*\}|\([^)]*\))', expanded):
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


def user_cache() -> pathlib.Path:
  """Returns $XDG_CACHE_HOME/vaegan_jax, or ~/.cache/vaegan_jax.

  A user without a home that can be written, as in many containers, has a
  folder among the temporary files.

  Raises:
    ValueError: that folder belongs to another user.
  """
  if root := os.environ.get('XDG_CACHE_HOME'):
    return absolute(root, name='XDG_CACHE_HOME') / _PROJECT
  folder = pathlib.Path(os.path.expanduser('~')) / '.cache' / _PROJECT
  existing = (path for path in (folder, *folder.parents) if path.exists())
  if folder.is_absolute() and os.access(next(existing), os.W_OK | os.X_OK):
    return folder
  return _temporary_cache(str(folder))


@functools.cache
def _temporary_cache(home: str) -> pathlib.Path:
  """Makes a folder that only this user can write to, and warns once."""
  folder = pathlib.Path(tempfile.gettempdir(), f'{_PROJECT}-{os.getuid()}')
  folder.mkdir(mode=0o700, exist_ok=True)
  if folder.stat().st_uid != os.getuid():
    raise ValueError(
      f'{home} cannot be written, and {folder} belongs to another user: set '
      'XDG_CACHE_HOME to a folder for decoded images and compiled programs'
    )
  _LOGGER.warning(
    '%s cannot be written: decoded images and compiled programs are kept in '
    '%s. Set XDG_CACHE_HOME to keep them elsewhere.',
    home,
    folder,
  )
  return folder


def _unusable(text: str) -> str:
  if not text.strip():
    return 'expected a path, but it is empty'
  if text != text.strip(_QUOTES_AND_BLANKS):
    return 'remove the blanks or quotes around the path'
  try:
    os.fsencode(text)
  except UnicodeEncodeError:
    encoding = sys.getfilesystemencoding()
    return f'this locale has {encoding} file names; set PYTHONUTF8=1'
  if remote := _REMOTE.match(text):
    return (
      f'{remote[0]} is not a path of this machine, and nothing reads or writes '
      'there; mount it, or copy it, and give the local path'
    )
  return ''
