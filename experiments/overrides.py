"""Reads flags such as --config.gamma=1e-6 against the config they change.

absl and ml_collections refuse most wrong flags too, but some with a traceback
and few with the allowed values. They also join the values of a tuple that is
set twice, and forget what is set before a second --config.
"""

from __future__ import annotations

import importlib.util
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from absl import flags

from vaegan_jax.config import schema
from vaegan_jax.files import paths

_CONFIGS = pathlib.Path(__file__).absolute().parent / 'configs'


def resolve(words: Sequence[str]) -> list[str]:
  """Returns an equal command line that sets everything once, after --config.

  The last value of a setting counts, and so does the last --config. The names
  of experiments/configs, such as demo, become paths.

  Args:
    words: the command line without the program's name.

  Raises:
    ValueError: a config file does not exist, or a flag has no setting or a
      value of another type; with the allowed values and the nearest setting.
  """
  words = flags.FLAGS.read_flags_from_files(list(words), force_gnu=False)
  given, others = _split(words)
  if 'config' not in given:
    return words
  name, colon, argument = (given.pop('config') or '').partition(':')
  path = _find(name)
  values = _values(given, schema.flatten(_load(path)))
  changes = [_written(f'config.{name}', x) for name, x in values.items()]
  return [f'--config={path}{colon}{argument}', *changes, *others]


def _values(
  given: Mapping[str, str | None], settings: Mapping[str, Any]
) -> dict[str, str]:
  """Returns the last value of each setting, by name."""
  values: dict[str, str] = {}
  for name, value in given.items():
    head, _, setting = name.partition('.')
    if value is None and isinstance(settings.get(setting), bool):
      value = str(head == 'config')
    elif head == 'noconfig':
      value = None
    if problem := _problem(head, setting, value, settings):
      raise ValueError(_written(name, given[name]) + problem)
    values.pop(setting, None)
    values[setting] = str(value)
  return values


def _written(name: str, value: str | None) -> str:
  return f'--{name}' if value is None else f'--{name}={value}'


def _split(
  words: Sequence[str],
) -> tuple[dict[str, str | None], list[str]]:
  """Separates the flags of a config, with their last values, from the rest.

  The value may be the next word; a name alone has none.
  """
  given: dict[str, str | None] = {}
  rest, others = list(words), []
  while rest and rest[0] != '--':
    word = rest.pop(0)
    name, equals, value = word.lstrip('-').partition('=')
    if not word.startswith('-') or not (name == 'config' or '.' in name):
      others.append(word)
      continue
    separate = rest and not equals and not rest[0].startswith('--')
    given.pop(name, None)
    given[name] = rest.pop(0) if separate else value if equals else None
  return given, others + rest


def _find(given: str) -> pathlib.Path:
  """Finds a config file, by its path or as one of experiments/configs."""
  path = paths.absolute(given, name='--config')
  for file in (path, _CONFIGS.parents[1] / given, _CONFIGS / given):
    for found in (file, file.with_name(f'{file.name}.py')):
      if found.is_file():
        return found
  known = sorted(p.stem for p in _CONFIGS.glob('[a-z]*.py'))
  near = schema.hint(path.stem, known, form='--config={}')
  raise ValueError(
    f'--config={given}: {path} does not exist{near} There are: '
    f'{", ".join(known)}'
  )


def _load(path: pathlib.Path) -> Mapping[str, Any]:
  spec = importlib.util.spec_from_file_location('given_config', path)
  if spec is None or spec.loader is None:
    raise ValueError(f'--config={path}: expected a Python file, .py')
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  if not hasattr(module, 'get_config'):
    raise ValueError(f'--config={path}: expected a function get_config in it')
  return module.get_config()


def _problem(
  head: str, name: str, value: str | None, settings: Mapping[str, Any]
) -> str:
  """Describes what is wrong with --HEAD.NAME=VALUE; '' if nothing is."""
  if head not in ('config', 'noconfig'):
    near = schema.hint(name, settings, form='--config.{}')
    return f' does not exist: settings begin with --config.{near}'
  inside = [known for known in settings if known.startswith(f'{name}.')]
  if inside:
    return f' is a section, not a setting: set one of {", ".join(inside)}'
  if name not in settings:
    return ' does not exist' + schema.hint(name, settings, form='--config.{}')
  default = settings[name]
  if value is not None and _parses(type(default), value):
    return ''
  example = str(default).strip('()').replace(' ', '')
  expected = schema.KINDS[type(default)]
  return f': expected {expected}, as in --config.{name}={example}'


def _parses(kind: type, value: str) -> bool:
  """Returns whether a text is a value of a type."""
  try:
    if kind is bool:
      flags.BooleanParser().parse(value)
    elif kind is tuple:
      for item in value.strip('()[]').removesuffix(',').split(','):
        int(item)
    elif kind in (int, float):
      kind(value)
  except ValueError:
    return False
  return True
