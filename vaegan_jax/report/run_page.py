"""One HTML file that shows a run: pictures, curves, speed, settings.

It holds its pictures and its style and needs no script and no network.
"""

from __future__ import annotations

import pathlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from vaegan_jax.config import schema
from vaegan_jax.core import objectives
from vaegan_jax.files import atomic
from vaegan_jax.report import curves, figures, markup, speed, words
from vaegan_jax.runs import collapse, config_file, records

_FIGURES = 'figures'
_NAME = 'report.html'

Settings = Mapping[str, Any]
Row = Mapping[str, Any]


def write(workdir: pathlib.Path) -> pathlib.Path:
  """Draws the development and the curves of a run, then writes its report.

  What a run has not written yet is missing from its report, which says so.

  Args:
    workdir: the run's folder, with config.json.

  Returns:
    the report, workdir/report.html.

  Raises:
    FileNotFoundError: the folder holds no run.
  """
  settings = schema.flatten(config_file.read(workdir).to_dict())
  rows = records.read_rows(workdir / records.METRICS)
  timing = records.read_rows(workdir / records.TIMING)
  folder = workdir / _FIGURES
  draw(folder, rows, band=_band(settings))
  path = path_in(workdir)
  atomic.write_text(path, render(settings, rows, timing=timing, folder=folder))
  return path


def path_in(workdir: pathlib.Path) -> pathlib.Path:
  """Names the report of a run, written or not."""
  return workdir / _NAME


def draw(
  folder: pathlib.Path,
  rows: Sequence[Row],
  *,
  band: tuple[float, float] | None,
) -> None:
  """Draws what is drawn from files: the development and the curves.

  Args:
    folder: where the strips lie and the pictures go.
    rows: of metrics.jsonl.
    band: as in `curves.draw`.
  """
  for prefix in ('reconstructions', 'samples'):
    if strips := figures.strips(folder, prefix=prefix):
      figures.save(
        folder / f'development_{prefix}.png', figures.development(strips)
      )
  if rows:
    for name, picture in curves.draw(rows, band=band).items():
      figures.save(folder / f'{name}.png', picture)


def render(
  settings: Settings,
  rows: Sequence[Row],
  *,
  timing: Sequence[Row],
  folder: pathlib.Path,
) -> str:
  """Makes the page of a run.

  Args:
    settings: of the run, by dotted name.
    rows: of metrics.jsonl.
    timing: rows of timing.jsonl.
    folder: where the pictures lie.
  """
  pace = speed.summarise(timing, batch_size=settings['batch_size'])
  sections = _warnings(settings, rows) | _shown(settings, folder)
  sections |= {
    'curves': _curves(folder, _model(settings)),
    'updates': _updates(folder, settings, rows),
    'speed': _speed(pace),
    'settings': _settings(settings),
  }
  return markup.document(
    title=_title(settings),
    kicker='vaegan_jax, report of a run',
    header=[
      markup.facts(_facts(settings, rows, pace)),
      markup.navigation((name, name.capitalize()) for name in sections),
    ],
    body=(
      markup.section(name, title=title, lead=lead, body=body)
      for name, (title, lead, body) in sections.items()
    ),
  )


# Title, a sentence, and what follows.
_Section = tuple[str, str, Iterable[markup.Markup]]


def _warnings(settings: Settings, rows: Sequence[Row]) -> dict[str, _Section]:
  """Makes the section of what has collapsed, if anything has."""
  body = [
    markup.warning(
      found.name,
      [
        ('Seen', found.seen),
        ('What it means', found.meaning),
        ('What to try', found.remedy),
      ],
    )
    for found in collapse.find(rows, latent=settings['latent_size'])
  ]
  if not body:
    return {}
  return {'warnings': (words.COLLAPSED, words.COLLAPSED_LEAD, body)}


def _shown(settings: Settings, folder: pathlib.Path) -> dict[str, _Section]:
  """Makes the sections of pictures, those that a model can have."""
  encodes = _model(settings).llike is not None
  asked = (
    ' and attributes of held-out images' if settings['conditional'] else ''
  )
  kinds = ('reconstructions', 'samples') if encodes else ('samples',)
  sections = {
    'reconstructions': _pictures(
      folder,
      {'reconstructions': ''},
      title='Held-out images and their reconstructions',
      lead='Images that training never saw; below each, Dec of its mean code.',
    ),
    'samples': _pictures(
      folder,
      {'samples': ''},
      title='Samples from the prior',
      lead=f'Dec of codes drawn from N(0, I){asked}.',
    ),
    'development': _pictures(
      folder,
      {f'development_{kind}': kind.capitalize() for kind in kinds},
      title='During training',
      lead='The same images and the same codes, from the first steps down to '
      'the last.',
    ),
    'interpolation': _pictures(
      folder,
      {'interpolation': ''},
      title='From one held-out image to another',
      lead='A straight line between two mean codes, decoded on its way.',
    ),
  }
  if not encodes:
    del sections['reconstructions'], sections['interpolation']
  return sections


def _band(settings: Settings) -> tuple[float, float] | None:
  """Gives the cross entropies between which Dec and Dis both move."""
  if not _has_rule(settings):
    return None
  centre = settings['equilibrium_centre']
  margin = settings['equilibrium_margin']
  return centre - margin, centre + margin


def _title(settings: Settings) -> str:
  model, source = _model(settings), settings['data.source']
  kind = (
    f'Conditional {model.title}' if settings['conditional'] else model.title
  )
  data = words.DATA.get(source, source)
  return f'{kind} on {data}, {settings["steps"]:,} steps'


def _model(settings: Settings) -> objectives.ModelSpec:
  return objectives.MODELS[settings['model']]


def _has_rule(settings: Settings) -> bool:
  """Says whether the equilibrium rule may skip a network."""
  return settings['equilibrium'] and _model(settings).adversarial


def _facts(
  settings: Settings, rows: Sequence[Row], pace: speed.Speed | None
) -> list[tuple[str, str]]:
  done = rows[-1]['step'] if rows else 0
  size = settings['data.size']
  sides = size if isinstance(size, tuple) else (size, size)
  facts = [
    ('Image size', 'x'.join(str(side) for side in sides)),
    ('Batch size', f'{settings["batch_size"]:,}'),
    ('Steps done', f'{done:,} of {settings["steps"]:,}'),
  ]
  if pace is not None:
    facts += [
      ('Images a second', f'{pace.images_per_second:,.0f}'),
      ('Training time', speed.duration(pace.seconds)),
    ]
  return facts


def _pictures(
  folder: pathlib.Path,
  captions: Mapping[str, str],
  *,
  title: str,
  lead: str,
) -> _Section:
  body = [_picture(folder, name, caption) for name, caption in captions.items()]
  return title, lead, [markup.division('pixels', body)]


def _picture(folder: pathlib.Path, name: str, caption: str) -> markup.Markup:
  path = folder / f'{name}.png'
  if not path.exists():
    return markup.missing(f'No {path.name} in this run.')
  return markup.picture(path, alt=words.PICTURES[name], caption=caption)


def _curve(folder: pathlib.Path, name: str, caption: str) -> markup.Markup:
  path = folder / f'curves_{name}.png'
  if not path.exists():
    return markup.missing(f'Nothing was logged for {name.replace("_", " ")}.')
  alt = f'Curve of {name.replace("_", " ")} against the step.'
  return markup.picture(path, alt=alt, caption=caption, density=curves.DENSITY)


def _curves(folder: pathlib.Path, model: objectives.ModelSpec) -> _Section:
  absent = set() if model.adversarial else {'discriminator', 'generation'}
  absent |= set() if model.llike else {'prior', 'llike', 'active_dimensions'}
  absent |= set() if 'discriminator' in model.networks() else {'feature_scale'}
  body = [
    _curve(folder, name, text)
    for name, text in words.CURVES.items()
    if name not in absent
  ]
  lead = (
    'Thin: each logged step. Thick: the running median. Losses are nats an '
    'image, the mean of a batch.'
  )
  return 'Curves of every term', lead, [markup.division('curves', body)]


def _updates(
  folder: pathlib.Path, settings: Settings, rows: Sequence[Row]
) -> _Section:
  lead = words.RULE if _has_rule(settings) else words.NO_RULE
  body = [_curve(folder, 'updates', '')]
  last = rows[-1] if rows else {}
  counts = {n: last.get(f'{n}/updates') for n in curves.NETWORKS}
  table = [
    (name, f'{count:,.0f}', f'{count / last["step"]:.1%}')
    for name, count in counts.items()
    if count is not None
  ]
  if table:
    body.append(
      markup.table(table, header=('Network', 'Updates', 'Share of steps'))
    )
  return (
    'How often each network was updated',
    lead,
    [markup.division('curves', body)],
  )


def _speed(pace: speed.Speed | None) -> _Section:
  title = 'Speed'
  if pace is None:
    return title, 'No timing was logged.', []
  table = [
    ('Images a second, median', f'{pace.images_per_second:,.1f}'),
    ('Seconds of training', f'{pace.seconds:,.1f}'),
    ('Device', ', '.join(pace.devices)),
    ('Starts', f'{pace.starts}'),
  ]
  if pace.waiting:
    waits = ', '.join(f'{share:.1%}' for share in pace.waiting)
    table.append(('Waiting for data, each host', waits))
  if pace.goodput is not None:
    table.append(('Goodput', f'{pace.goodput:.0%}'))
  lead = (
    'The median between two logged steps counts neither compiling nor '
    'checkpoints; the seconds count all. Goodput is the time of steps that '
    'count over all time since the first start: compiling, saving, waiting for '
    'data, work that was lost and hours between starts lower it.'
  )
  return title, lead, [markup.division('speed', [markup.table(table)])]


def _settings(settings: Settings) -> _Section:
  groups: dict[str, list[tuple[str, str]]] = {}
  for name, value in settings.items():
    group = name.partition('.')[0] if '.' in name else ''
    groups.setdefault(group, []).append((name, repr(value)))
  body = [
    markup.division('settings', (markup.table(g) for g in groups.values()))
  ]
  if 'command' in settings:
    body.insert(0, markup.command(settings['command']))
  return 'Settings', 'All of config.json; it repeats the run.', body
