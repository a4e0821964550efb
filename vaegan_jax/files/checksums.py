"""Detects damage to a folder by a manifest of its files' checksums."""

from __future__ import annotations

import errno
import hashlib
import json
import pathlib
from collections.abc import Mapping
from typing import Any

NAME = 'manifest.json'

_FORMAT = 1


class Damaged(ValueError):
  """Reports a folder that differs from what was written."""


def write(folder: pathlib.Path, *, about: Mapping[str, Any]) -> None:
  """Writes manifest.json: the sha256 of every file and of the manifest.

  Args:
    folder: complete but for its manifest.
    about: what the manifest says about the folder, in JSON types.
  """
  body = {
    'format': _FORMAT,
    'about': dict(about),
    'files': {name: file_digest(folder / name) for name in _names(folder)},
  }
  (folder / NAME).write_text(_text(body), encoding='utf-8')


def verify(folder: pathlib.Path) -> dict[str, Any]:
  """Compares every file of a folder with the manifest.

  Returns:
    what the manifest says about the folder.

  Raises:
    Damaged: with the name of a file and its damage.
    OSError: a file cannot be opened, so that nothing is known of it.
  """
  body = _read(folder / NAME)
  listed, present = body['files'], set(_names(folder))
  for name in sorted(listed.keys() | present):
    if name not in present:
      raise Damaged(f'{name} is missing')
    if name not in listed:
      raise Damaged(f'{name} is not in the manifest')
    try:
      found = file_digest(folder / name)
    except OSError as error:
      _raise_if_damage(error, name=name)
      raise
    if found != listed[name]:
      raise Damaged(f'{name} has changed since it was written')
  return body['about']


def digest(content: Any) -> str:
  """Returns the sha256 of JSON types; the order of keys does not matter."""
  text = json.dumps(content, sort_keys=True, separators=(',', ':'))
  return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: pathlib.Path) -> str:
  """Returns the sha256 of a file in hexadecimal."""
  with path.open('rb') as file:
    return hashlib.file_digest(file, 'sha256').hexdigest()


def _read(path: pathlib.Path) -> dict[str, Any]:
  try:
    text = path.read_text(encoding='utf-8')
    body = json.loads(text)
  except FileNotFoundError as error:
    raise Damaged(f'{path.name} is missing') from error
  except OSError as error:
    _raise_if_damage(error, name=path.name)
    raise
  except (ValueError, RecursionError) as error:
    raise Damaged(f'{path.name} cannot be read ({error})') from error
  parts = body if isinstance(body, dict) else {}
  if parts.get('format') != _FORMAT:
    raise Damaged(f'{path.name} is not of format {_FORMAT}')
  if not all(isinstance(parts.get(name), dict) for name in ('about', 'files')):
    raise Damaged(f"{path.name} lacks 'about' or 'files'")
  body.pop('sha256', None)
  # Comparing the text, not the checksum in it, finds changed blanks as well.
  if _text(body) != text:
    raise Damaged(f'{path.name} has changed since it was written')
  return body


def _raise_if_damage(error: OSError, *, name: str) -> None:
  """Raises Damaged if the disk cannot read what it stored."""
  if error.errno == errno.EIO:
    raise Damaged(f'{name} cannot be read ({error})') from error


def _text(body: Mapping[str, Any]) -> str:
  sealed = {**body, 'sha256': digest(body)}
  return json.dumps(sealed, indent=2, sort_keys=True) + '\n'


def _names(folder: pathlib.Path) -> list[str]:
  """Lists the files in a folder and below it, except the manifest."""
  names = (
    path.relative_to(folder).as_posix()
    for path in folder.rglob('*')
    if not path.is_dir() or path.is_symlink()
  )
  return sorted(name for name in names if name != NAME)
