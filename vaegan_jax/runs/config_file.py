"""config.json of a run: every setting, so that the run can be repeated."""

from __future__ import annotations

import json
import pathlib
from typing import Any

from vaegan_jax.config import schema
from vaegan_jax.config.schema import Config
from vaegan_jax.files import atomic, checksums, paths

NAME = 'config.json'

# Settings of where and how a run is computed, not of what is computed: they
# may differ from one start to the next. (Checkpoints detect other data by its
# digest.)
RUNTIME_SETTINGS = tuple(
  name for name, setting in schema.SETTINGS.items() if setting.runtime
)
# Settings that may be raised at a later start.
_GROWING = tuple(
  name for name, setting in schema.SETTINGS.items() if setting.grows
)
# What an older run has for settings that were added since.
_DEFAULTS = {
  name: setting.default
  for name, setting in schema.SETTINGS.items()
  if setting.default is not None
}
# Settings that may differ from one host of a run to the next.
_HOST_SETTINGS = ('data.cache', 'data.path')


def path_in(workdir: pathlib.Path) -> pathlib.Path:
  """Returns the path of a run's config.json."""
  return pathlib.Path(workdir) / NAME


def digest(config: Config) -> str:
  """Returns a digest of the settings that no later start may change."""
  return _digest(config, ignored=RUNTIME_SETTINGS + _GROWING)


def process_digest(config: Config) -> str:
  """Returns a digest of the settings that a run's processes must share.

  These are all settings but the paths of the data, which each host may have.
  """
  return _digest(config, ignored=_HOST_SETTINGS)


def _digest(config: Config, *, ignored: tuple[str, ...]) -> str:
  # Without defaults, so that a setting may be added while a run lasts.
  flat = schema.flatten(config.to_dict())
  decided = {n: x for n, x in flat.items() if x != _DEFAULTS.get(n)}
  return checksums.digest(
    {n: x for n, x in decided.items() if n not in ignored}
  )


def write(
  workdir: pathlib.Path, config: Config, *, lengthens: bool = False
) -> None:
  """Writes config.json into a new run, or into the same run again.

  Args:
    workdir: the run's folder.
    config: the run's settings. `RUNTIME_SETTINGS` may differ from those of
      earlier starts.
    lengthens: as in `check`.

  Raises:
    ValueError: as `check`; nothing is written then.
  """
  check(workdir, config, lengthens=lengthens)
  config = as_stored(workdir, config)
  path, text = path_in(workdir), _text(config)
  if path.exists() and path.read_text(encoding='utf-8') == text:
    return
  path.parent.mkdir(parents=True, exist_ok=True)
  atomic.write_text(path, text)


def as_stored(workdir: pathlib.Path, config: Config) -> Config:
  """Returns a config that names its paths as the run's config.json does.

  Older runs stored paths as they were given, such as ~/gan, and have digests of
  these. A folder that has moved since is the same; another place is not.
  """
  path = path_in(workdir)
  old = schema.flatten(_read_json(path)) if path.exists() else {}
  same = {
    name: old[name]
    for name, value in schema.flatten(config).items()
    if schema.SETTINGS[name].path
    and name not in RUNTIME_SETTINGS
    and old.get(name)
    and _may_be_same(old[name], value)
  }
  return schema.change(config, same)


def _may_be_same(old: str, new: str) -> bool:
  before = paths.absolute(old, name=NAME)
  return bool(new) and (before == pathlib.Path(new) or not before.exists())


def check(
  workdir: pathlib.Path, config: Config, *, lengthens: bool = False
) -> None:
  """Refuses a folder that holds a run of another config.

  Args:
    workdir: the run's folder.
    config: the settings of this start.
    lengthens: whether the run may have fewer steps than the config.

  Raises:
    ValueError: if the folder holds another run, with each setting that
      differs; or if its config.json is damaged.
  """
  path = path_in(workdir)
  if not path.exists():
    return
  old = _DEFAULTS | schema.flatten(_read_json(path))
  new = schema.flatten(json.loads(_text(as_stored(workdir, config))))
  grown = {n for n in _GROWING if lengthens and old.get(n, 0) < new[n]}
  different = [
    f'  config.{name}: {old.get(name, "(absent)")} there, '
    f'{new.get(name, "(absent)")} here'
    for name in sorted((old.keys() | new.keys()) - grown)
    if old.get(name) != new.get(name) and name not in RUNTIME_SETTINGS
  ]
  if different:
    raise ValueError(
      '\n'.join(
        [
          f'{workdir} holds a run of another config:',
          *different,
          'Use another --workdir, or the same settings to resume that run. In '
          f'another --workdir, --config.init_from={workdir} starts from it.',
        ]
      )
    )


def read(workdir: pathlib.Path) -> Config:
  """Reads the config of a run; settings that it lacks have their defaults.

  Raises:
    FileNotFoundError: if the folder holds no run.
    ValueError: if its config.json is damaged.
  """
  path = path_in(workdir)
  if not path.is_file():
    raise FileNotFoundError(
      f'{path} does not exist: {workdir} is not the folder of a run'
    )
  settings = _DEFAULTS | schema.flatten(_with_tuples(_read_json(path)))
  if missing := sorted(schema.SETTINGS.keys() - settings.keys()):
    raise ValueError(f'{path} is damaged: it lacks {", ".join(missing)}')
  return schema.nest(settings)


def _text(config: Config) -> str:
  return json.dumps(config.to_dict(), indent=2) + '\n'


def _read_json(path: pathlib.Path) -> dict[str, Any]:
  try:
    found = json.loads(path.read_text(encoding='utf-8'))
  except (ValueError, RecursionError) as error:
    raise ValueError(
      f'{path} is damaged ({error}): write it again from a copy, or from the '
      'command that began the run'
    ) from error
  if not isinstance(found, dict):
    raise ValueError(f'{path} is damaged: it holds no settings')
  return found


def _with_tuples(value: Any) -> Any:
  """Turns JSON's lists back into the tuples that configs hold."""
  if isinstance(value, dict):
    return {k: _with_tuples(v) for k, v in value.items()}
  return tuple(value) if isinstance(value, list) else value
