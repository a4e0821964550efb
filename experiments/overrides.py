"""Checks of flags such as --config.gamma=1e-6 against the config they change.

absl and ml_collections refuse most wrong flags too, but some with a traceback
and few with the allowed values.
"""

from __future__ import annotations

import importlib.util
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from vaegan_jax.config import schema

_BOOLEANS = ('true', 'false', '1', '0', 't', 'f', 'yes', 'no', 'y', 'n')
_CONFIGS = pathlib.Path(__file__).parent / 'configs'


def check(words: Sequence[str]) -> None:
  """Refuses a config file that does not exist, and flags it has no setting for.

  Args:
    words: the command line without the program's name.

  Raises:
    ValueError: naming the flag, the allowed values and the nearest setting.
  """
  flags = _flags(words)
  path = dict(flags).get('config')
  if path is None:
    return
  settings = schema.flatten(_load(pathlib.Path(path.partition(':')[0])))
  for name, value in flags:
    head, dot, setting = name.partition('.')
    if not dot:
      continue
    if head in ('config', 'noconfig'):
      problem = _problem(setting, value, settings)
    else:
      near = schema.hint(setting, settings, form='--config.{}')
      problem = f' does not exist: settings begin with --config.{near}'
    if problem:
      flag = f'--{name}' if value is None else f'--{name}={value}'
      raise ValueError(flag + problem)


def _flags(words: Sequence[str]) -> list[tuple[str, str | None]]:
  """Splits --name=value and --name value; a name alone has no value."""
  flags: list[tuple[str, str | None]] = []
  for word, following in zip(words, [*words, '--'][1:], strict=True):
    if word == '--':
      break
    if word.startswith('-') and word.lstrip('-')[:1].isalpha():
      name, equals, value = word.lstrip('-').partition('=')
      separate = None if following.startswith('--') else following
      flags.append((name, value if equals else separate))
  return flags


def _load(path: pathlib.Path) -> Mapping[str, Any]:
  if not path.is_file():
    known = sorted(p.stem for p in _CONFIGS.glob('[a-z]*.py'))
    near = schema.hint(path.stem, known, form='experiments/configs/{}.py')
    raise ValueError(
      f'--config={path} does not exist{near} There are: {", ".join(known)}'
    )
  spec = importlib.util.spec_from_file_location('given_config', path)
  if spec is None or spec.loader is None:
    raise ValueError(f'--config={path}: expected a Python file, .py')
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  if not hasattr(module, 'get_config'):
    raise ValueError(f'--config={path}: expected a function get_config in it')
  return module.get_config()


def _problem(name: str, value: str | None, settings: Mapping[str, Any]) -> str:
  """Describes what is wrong with a flag; '' if nothing is."""
  inside = [known for known in settings if known.startswith(f'{name}.')]
  if inside:
    return f' is a section, not a setting: set one of {", ".join(inside)}'
  if name not in settings:
    return ' does not exist' + schema.hint(name, settings, form='--config.{}')
  default = settings[name]
  if _parses(type(default), value):
    return ''
  example = str(default).strip('()').replace(' ', '')
  expected = schema.KINDS[type(default)]
  return f': expected {expected}, as in --config.{name}={example}'


def _parses(kind: type, value: str | None) -> bool:
  """Returns whether the words of a flag are a value of a type."""
  if kind is bool:
    # A flag that is alone, or before another word, means true.
    return value is None or value.lower() in _BOOLEANS
  try:
    if kind is tuple:
      for item in (value or '').strip('()[]').removesuffix(',').split(','):
        int(item)
    elif kind in (int, float):
      kind(value or '')
  except ValueError:
    return False
  return True
