"""Writes docs/settings.md, the table of all settings.

python -m experiments.settings_page
"""

from __future__ import annotations

import pathlib

from experiments.configs import celeba
from vaegan_jax.config import schema

PATH = pathlib.Path(__file__).parent.parent / 'docs' / 'settings.md'

_HEAD = """\
# Settings

Every setting of a training run, made from
[schema.py](../vaegan_jax/config/schema.py) by
`python -m experiments.settings_page`. Set one with `--config.NAME=VALUE`; a
tuple is written as `64,128,256`.

The second column is the value of the reference,
[celeba.py](../experiments/configs/celeba.py). Settings marked * decide only
where and how a run is computed: they may change when a run resumes; the one
marked ^ may be raised. Settings marked + have no default: an experiment must
decide.

| setting | reference | allowed | meaning |
|---|---|---|---|
"""


def page() -> str:
  """Returns the text of docs/settings.md."""
  reference = schema.flatten(celeba.get_config())
  rows = [
    f'| `{name}`{"*" if setting.runtime else "^" if setting.grows else ""}'
    f'{"+" if setting.default is None else ""} | {_written(reference[name])} '
    f'| {setting.allowed()} | {setting.meaning} |\n'
    for name, setting in schema.SETTINGS.items()
  ]
  return _HEAD + ''.join(rows)


def _written(value: object) -> str:
  text = ','.join(map(str, value)) if isinstance(value, tuple) else str(value)
  return f'`{text}`' if text else ''


if __name__ == '__main__':
  PATH.write_text(page())
