"""What a run writes besides checkpoints: config, metrics, timing, progress.

    config.json     every setting; it repeats the run
    metrics.jsonl   a row for each logged step: what was computed
    timing.jsonl    a row for each logged step: how long it took
    starts.jsonl    a row for each start: when, and on what
    tensorboard/    the same numbers as events

metrics.jsonl holds nothing but results, so that two runs of one config can be
compared byte by byte.
"""

from __future__ import annotations

import functools
import json
import os
import pathlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

import ml_collections
import tqdm

from vaegan_jax.files import atomic, checksums

if TYPE_CHECKING:
  import tensorboardX

Config: TypeAlias = ml_collections.ConfigDict

_CONFIG = 'config.json'
METRICS = 'metrics.jsonl'
TIMING = 'timing.jsonl'
STARTS = 'starts.jsonl'

# Settings of where and how a run is computed, not of what: they may differ
# from one start to the next. (Checkpoints tell other data by their contents.)
HOW = (
  'compile',
  'data.cache',
  'data.path',
  'data.resident',
  'data.skip_broken',
  'keep',
  'keep_every',
  'recompute',
  'save_every',
)


def flatten(
  config: Config | Mapping[str, Any], prefix: str = ''
) -> dict[str, Any]:
  """Lists a config's settings by dotted name."""
  flat: dict[str, Any] = {}
  for name, value in config.items():
    if isinstance(value, ml_collections.ConfigDict | dict):
      flat |= flatten(value, f'{prefix}{name}.')
    else:
      flat[prefix + name] = value
  return flat


def digest(config: Config) -> str:
  """Digests what a run computes: every setting but those of `HOW`."""
  kept = flatten(config.to_dict())
  return checksums.digest({n: x for n, x in kept.items() if n not in HOW})


def agreed(config: Config) -> str:
  """Digests what the processes of a run must agree on.

  That is every setting but where a host has its data.
  """
  flat = flatten(config.to_dict())
  return checksums.digest(
    {n: x for n, x in flat.items() if n not in ('data.cache', 'data.path')}
  )


def write_config(workdir: pathlib.Path, config: Config) -> None:
  """Writes config.json into a new run, or into the same run again.

  Settings of `HOW` may differ from those before.

  Raises:
    ValueError: what `check_config` raises; nothing is written then.
  """
  check_config(workdir, config)
  path, text = pathlib.Path(workdir) / _CONFIG, _text(config)
  if path.exists() and path.read_text(encoding='utf-8') == text:
    return
  path.parent.mkdir(parents=True, exist_ok=True)
  atomic.write_text(path, text)


def check_config(workdir: pathlib.Path, config: Config) -> None:
  """Refuses a folder that holds a run of another config.

  Raises:
    ValueError: it does, naming each setting that differs; or its config.json
      is damaged.
  """
  path = pathlib.Path(workdir) / _CONFIG
  if not path.exists():
    return
  old, new = flatten(_read_json(path)), flatten(json.loads(_text(config)))
  different = [
    f'  config.{name}: {old.get(name, "(absent)")} there, '
    f'{new.get(name, "(absent)")} here'
    for name in sorted(old.keys() | new.keys())
    if old.get(name) != new.get(name) and name not in HOW
  ]
  if different:
    raise ValueError(
      '\n'.join(
        [
          f'{workdir} holds a run of another config:',
          *different,
          'Take another --workdir, or the same settings to resume that run.',
        ]
      )
    )


def _text(config: Config) -> str:
  return json.dumps(config.to_dict(), indent=2) + '\n'


def read_config(workdir: pathlib.Path) -> Config:
  """Reads the config of a run.

  Raises:
    FileNotFoundError: if the folder holds no run.
    ValueError: if its config is damaged.
  """
  path = pathlib.Path(workdir) / _CONFIG
  if not path.is_file():
    raise FileNotFoundError(
      f'{path} does not exist: {workdir} is not the folder of a run'
    )
  return ml_collections.ConfigDict(_with_tuples(_read_json(path))).lock()


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


def read_rows(path: pathlib.Path) -> list[dict[str, Any]]:
  """Reads JSON lines up to the first that is not whole; none if no file."""
  rows: list[dict[str, Any]] = []
  if not path.exists():
    return rows
  text = path.read_text(encoding='utf-8', errors='replace')
  for line in text.splitlines():
    try:
      row = json.loads(line)
    except (ValueError, RecursionError):  # a kill may leave half a row
      break
    if not isinstance(row, dict) or not isinstance(row.get('step'), int):
      break
    rows.append(row)
  return rows


class Records:
  """Owns the files that grow with a run.

  Args:
    workdir: the run's folder.
    step: the steps done; rows of later ones, from before a crash, are dropped.
    steps: of the whole run, for the progress bar.
    start: what is to be said of this start, beside its step.
  """

  def __init__(
    self,
    workdir: pathlib.Path,
    *,
    step: int,
    steps: int,
    start: Mapping[str, Any],
  ):
    workdir = pathlib.Path(workdir)
    for name in (METRICS, TIMING):
      _drop_rows(workdir / name, after=step)
    with (workdir / STARTS).open('a') as starts:
      _append(starts, {'step': step, **start})
    self._metrics = (workdir / METRICS).open('a')
    self._timing = (workdir / TIMING).open('a')
    self._workdir, self._first = workdir, step + 1
    self._bar = tqdm.tqdm(
      total=steps, initial=step, desc='training', unit='step', smoothing=0.1
    )

  @functools.cached_property
  def _events(self) -> tensorboardX.SummaryWriter:
    # Late, because it imports PyTorch where that is installed.
    import tensorboardX

    return tensorboardX.SummaryWriter(
      str(self._workdir / 'tensorboard'), purge_step=self._first
    )

  def advance(self, steps: int) -> None:
    """Moves the progress bar by steps that are done."""
    self._bar.update(steps)

  def write(
    self, metrics: Mapping[str, float], *, timing: Mapping[str, Any]
  ) -> None:
    """Writes the rows of a step, with the system before it returns.

    Args:
      metrics: what was computed.
      timing: 'step', and how long it took.
    """
    step = timing['step']
    _append(self._metrics, {'step': step, **metrics})
    _append(self._timing, timing)
    timed = ('images_per_second', 'goodput')
    for name, value in {**metrics, **{n: timing[n] for n in timed}}.items():
      self._events.add_scalar(name, value, step)
    shown = [name for name in ('prior', 'llike', 'real') if name in metrics]
    self._bar.set_postfix_str(
      ', '.join(f'{name} {metrics[name]:.3g}' for name in shown), refresh=False
    )

  def sync(self) -> None:
    """Waits until the rows are on disk."""
    for file in (self._metrics, self._timing):
      os.fsync(file.fileno())

  def close(self) -> None:
    """Closes the files."""
    self._bar.close()
    if '_events' in vars(self):
      self._events.close()
    self._metrics.close()
    self._timing.close()


def _append(file: Any, row: Mapping[str, Any]) -> None:
  file.write(json.dumps(row) + '\n')
  file.flush()


def _drop_rows(path: pathlib.Path, *, after: int) -> None:
  """Keeps the whole rows up to a step."""
  if path.exists():
    kept = [row for row in read_rows(path) if row['step'] <= after]
    atomic.write_text(path, ''.join(json.dumps(row) + '\n' for row in kept))


def _with_tuples(value: Any) -> Any:
  """Turns JSON's lists back into the tuples that configs hold."""
  if isinstance(value, dict):
    return {k: _with_tuples(v) for k, v in value.items()}
  return tuple(value) if isinstance(value, list) else value
