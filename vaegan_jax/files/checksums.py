"""What a folder says of itself, so that no damage to it goes unnoticed."""

from __future__ import annotations

import hashlib
import json
import pathlib
from collections.abc import Mapping
from typing import Any

NAME = 'manifest.json'

_FORMAT = 1


class Damaged(ValueError):
  """Reports a folder that does not hold what was written into it."""


def write(folder: pathlib.Path, *, about: Mapping[str, Any]) -> None:
  """Writes manifest.json: the sha256 of every file, and of the manifest.

  Args:
    folder: whole but for its manifest.
    about: what else the manifest says, in JSON types.
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
    Damaged: naming the file, and what is wrong with it.
  """
  body = _read(folder / NAME)
  listed, there = body['files'], set(_names(folder))
  for name in sorted(listed.keys() | there):
    if name not in there:
      raise Damaged(f'{name} is missing')
    if name not in listed:
      raise Damaged(f'{name} was not there when it was written')
    if file_digest(folder / name) != listed[name]:
      raise Damaged(f'the bytes of {name} are not those that were written')
  return body['about']


def digest(content: Any) -> str:
  """Digests JSON types, whatever the order of their keys."""
  return hashlib.sha256(_canonical(content).encode()).hexdigest()


def file_digest(path: pathlib.Path) -> str:
  """Digests what a file holds, however large: its sha256 in hexadecimal."""
  with path.open('rb') as file:
    return hashlib.file_digest(file, 'sha256').hexdigest()


def _read(path: pathlib.Path) -> dict[str, Any]:
  try:
    text = path.read_text(encoding='utf-8')
    body = json.loads(text)
  except FileNotFoundError as error:
    raise Damaged(f'{path.name} is missing') from error
  except (OSError, ValueError, RecursionError) as error:
    raise Damaged(f'{path.name} cannot be read ({error})') from error
  parts = body if isinstance(body, dict) else {}
  if parts.get('format') != _FORMAT:
    raise Damaged(f'{path.name} is not of format {_FORMAT}')
  if not all(isinstance(parts.get(name), dict) for name in ('about', 'files')):
    raise Damaged(f'{path.name} lacks what it must say')
  body.pop('sha256', None)
  # The text itself is compared: a changed blank counts as well.
  if _text(body) != text:
    raise Damaged(f'the bytes of {path.name} are not those that were written')
  return body


def _text(body: Mapping[str, Any]) -> str:
  sealed = {**body, 'sha256': digest(body)}
  return json.dumps(sealed, indent=2, sort_keys=True) + '\n'


def _canonical(content: Any) -> str:
  return json.dumps(content, sort_keys=True, separators=(',', ':'))


def _names(folder: pathlib.Path) -> list[str]:
  """Lists the files in a folder and below it, but for the manifest."""
  names = (
    path.relative_to(folder).as_posix()
    for path in folder.rglob('*')
    if not path.is_dir() or path.is_symlink()
  )
  return sorted(name for name in names if name != NAME)
