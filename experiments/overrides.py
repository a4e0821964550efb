"""Words such as --config.gamma=1e-6, checked against the config they change.

absl and ml_collections would refuse most of them too, some with a traceback,
few with what is allowed.
"""

from __future__ import annotations

import difflib
import importlib.util
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

_TRUE_FALSE = ('true', 'false', '1', '0', 't', 'f', 'yes', 'no', 'y', 'n')
_CONFIGS = pathlib.Path(__file__).parent / 'configs'


def check(words: Sequence[str]) -> None:
  """Refuses a config that does not exist, and settings that it has not.

  Args:
    words: of the command line, without the program's name.

  Raises:
    ValueError: naming the word, what is allowed and the nearest right one.
  """
  pairs = _pairs(words)
  path = dict(pairs).get('config')
  if path is None:
    return
  config = _load(pathlib.Path(path.partition(':')[0]))
  # Late: help, and a config that does not exist, need not wait for it.
  from vaegan_jax.config import schema

  flat = schema.flatten(config)
  for name, value in pairs:
    head, dot, setting = name.partition('.')
    if dot and head.removeprefix('no') == 'config':
      _check(setting, value, flat)
    elif dot:
      raise ValueError(
        f'{_word(name, value)} does not exist: settings begin with --config.'
        f'{_hint(setting, flat, "--config.")}'
      )


def _pairs(words: Sequence[str]) -> list[tuple[str, str | None]]:
  """Splits --name=value and --name value; a name alone has no value."""
  pairs: list[tuple[str, str | None]] = []
  following = [*words, '--'][1:]
  for word, after in zip(words, following, strict=True):
    if word == '--':
      break
    if word.startswith('-') and word.lstrip('-')[:1].isalpha():
      name, equals, value = word.lstrip('-').partition('=')
      apart = None if after.startswith('--') else after
      pairs.append((name, value if equals else apart))
  return pairs


def _load(path: pathlib.Path) -> Mapping[str, Any]:
  if not path.is_file():
    known = sorted(p.stem for p in _CONFIGS.glob('[a-z]*.py'))
    near = difflib.get_close_matches(path.stem, known, n=1, cutoff=0.5)
    hint = f'; did you mean experiments/configs/{near[0]}.py?' if near else ''
    raise ValueError(
      f'--config={path} does not exist{hint} There are: {", ".join(known)}'
    )
  spec = importlib.util.spec_from_file_location('given_config', path)
  if spec is None or spec.loader is None:
    raise ValueError(f'--config={path}: expected a file of Python, .py')
  module = importlib.util.module_from_spec(spec)
  spec.loader.exec_module(module)
  if not hasattr(module, 'get_config'):
    raise ValueError(f'--config={path}: expected a function get_config in it')
  return module.get_config()


def _check(setting: str, value: str | None, flat: Mapping[str, Any]) -> None:
  word = _word(f'config.{setting}', value)
  sections = {name.rpartition('.')[0] for name in flat if '.' in name}
  if setting in sections:
    raise ValueError(
      f'{word} is no setting but a section: set one of '
      + ', '.join(name for name in flat if name.startswith(f'{setting}.'))
    )
  if setting not in flat:
    raise ValueError(
      f'{word} does not exist{_hint(setting, flat, "--config.")}'
    )
  expected = _expected(flat[setting], value)
  if expected:
    raise ValueError(
      f'{word}: expected {expected}, as in '
      f'--config.{setting}={_written(flat[setting])}'
    )


def _word(name: str, value: str | None) -> str:
  return f'--{name}' if value is None else f'--{name}={value}'


def _expected(default: Any, value: str | None) -> str:
  """Says what a value should be; '' if it is that."""
  if isinstance(default, bool):
    # A flag that is alone, or has a word behind it, means true.
    fine = value is None or value.lower() in _TRUE_FALSE
    return '' if fine else 'true or false'
  if isinstance(default, int):
    return '' if _parses(int, value) else 'a whole number'
  if isinstance(default, float):
    return '' if _parses(float, value) else 'a number'
  if isinstance(default, tuple):
    parts = (value or '').strip('()[]').split(',')
    parts = parts[:-1] if len(parts) > 1 and not parts[-1].strip() else parts
    fine = all(_parses(int, part) for part in parts)
    return '' if fine else 'whole numbers with commas between'
  return ''


def _parses(kind: type, value: str | None) -> bool:
  try:
    kind(value)
  except (TypeError, ValueError):
    return False
  return True


def _written(default: Any) -> str:
  if isinstance(default, tuple):
    return ','.join(map(str, default))
  return str(default)


def _hint(name: str, flat: Mapping[str, Any], prefix: str) -> str:
  """Names the nearest setting, also if its section was left out."""
  near = difflib.get_close_matches(name, list(flat), n=1, cutoff=0.5)
  lasts = {known.rpartition('.')[2]: known for known in flat}
  last = difflib.get_close_matches(name, list(lasts), n=1, cutoff=0.7)
  best = lasts[last[0]] if last else near[0] if near else None
  return f'; did you mean {prefix}{best}?' if best else ''
