"""The report of a run: one HTML file of pictures, curves, speed, settings."""

from __future__ import annotations

import json
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from vaegan_jax.config import schema
from vaegan_jax.core import metrics, objectives
from vaegan_jax.report import (
  curves,
  explore_page,
  figures,
  measures,
  page,
  run_figures,
  tables,
  titles,
)
from vaegan_jax.runs import collapse, config_file, records, speed

# What a report leads to, if the run has it.
_FILES = (
  explore_page.NAME,
  config_file.NAME,
  records.METRICS,
  records.TIMING,
  records.STARTS,
  measures.NAME,
)

Settings = Mapping[str, Any]
Row = Mapping[str, Any]
Readings = Mapping[str, Sequence[curves.Reading]]


def write(workdir: pathlib.Path, *, refresh: int | None = None) -> pathlib.Path:
  """Draws the development and the curves of a run, then writes its report.

  The report names what the run has not written yet.

  Args:
    workdir: the run's folder, with config.json.
    refresh: seconds after which a browser loads the page of an unfinished run
      again; None: never.

  Returns:
    the path of the report.

  Raises:
    FileNotFoundError: the folder holds no run.
  """
  settings = schema.flatten(config_file.read(workdir).to_dict())
  rows = records.read_rows(workdir / records.METRICS)
  timing = records.read_rows(workdir / records.TIMING)
  starts = records.read_rows(workdir / records.STARTS)
  folder = workdir / run_figures.FOLDER
  readings = _draw(folder, rows, band=_band(settings))
  found = measures.read(workdir)
  text = render(
    settings,
    rows,
    timing=timing,
    starts=starts,
    folder=folder,
    evaluation=measures.make(found) if found else [],
    readings=readings,
    files=[name for name in _FILES if (workdir / name).exists()],
    refresh=refresh,
  )
  return page.write(path_in(workdir), text)


def path_in(workdir: pathlib.Path) -> pathlib.Path:
  """Returns the path of a run's report, written or not."""
  return workdir / 'report.html'


def render(
  settings: Settings,
  rows: Sequence[Row],
  *,
  timing: Sequence[Row],
  folder: pathlib.Path,
  starts: Sequence[Row] = (),
  evaluation: Sequence[tables.Table] = (),
  readings: Readings | None = None,
  files: Sequence[str] = (),
  refresh: int | None = None,
) -> str:
  """Returns the page of a run as HTML.

  Args:
    settings: of the run, by dotted name.
    rows: of metrics.jsonl.
    timing: rows of timing.jsonl.
    folder: where the pictures lie, in that of the run.
    starts: rows of starts.jsonl.
    evaluation: tables of measures.
    readings: the name of a panel -> what a pointer reads on its chart.
    files: those of _FILES that the run has.
    refresh: as in `write`.
  """
  model = objectives.MODELS[settings['model']]
  shown = metrics.logged(learned=model.learned, given=model.given)
  alts = curves.describe(rows)
  last = rows[-1] if rows else {'step': 0}
  pace = speed.summarise(timing, starts, batch_size=settings['batch_size'])
  return page.render(
    'run.html.jinja',
    title=f'{titles.of(settings)}, {settings["steps"]:,} steps',
    name=folder.parent.name,
    refresh=refresh if last['step'] < settings['steps'] else None,
    made=_made(starts),
    asked=_asked(folder),
    files=files,
    history=[*_origins(starts), *_lengthenings(starts)],
    settings=settings,
    groups=_groups(settings),
    folder=folder,
    evaluation=evaluation,
    encodes='encoder' in model.learned,
    has_rule=_band(settings) is not None,
    collapses=collapse.find(rows, latent=settings['latent_size']),
    curves={p.name: alts.get(p.name, '') for p in metrics.panels(shown)},
    readings=readings or {},
    density=curves.DENSITY,
    step=last['step'],
    updates=_updates(last),
    speed=pace,
    training_time=pace and speed.duration(pace.seconds),
    waiting=pace and ', '.join(f'{share:.1%}' for share in pace.waiting),
  )


def _draw(
  folder: pathlib.Path, rows: Sequence[Row], *, band: curves.Band | None
) -> Readings:
  """Draws the development from the strips of a run, and its curves.

  Returns:
    what a pointer reads on the curves.
  """
  for prefix in ('reconstructions', 'samples'):
    if strips := run_figures.load_strips(folder, prefix=prefix):
      path = folder / f'development_{prefix}.png'
      figures.save(path, figures.development(strips))
  charts = curves.draw(rows, band=band)
  for name, chart in charts.items():
    figures.save(folder / f'curves_{name}.png', chart.picture)
  return {name: chart.readings for name, chart in charts.items()}


def _band(settings: Settings) -> curves.Band | None:
  """Returns the band of the equilibrium rule in nats, if the run has one."""
  model = objectives.MODELS[settings['model']]
  if not (settings['equilibrium'] and model.adversarial):
    return None
  centre = settings['equilibrium_centre']
  margin = settings['equilibrium_margin']
  return centre - margin, centre + margin


def _origins(starts: Sequence[Row]) -> Iterator[tuple[str, str]]:
  """Yields where the weights come from that a run started from."""
  first = [row for row in starts if row['step'] == 0][-1:]
  for origin in (origin for row in first for origin in row.get('weights', ())):
    names = ', '.join(origin['networks'])
    yield f'Weights of {names}', f'{origin["run"]}, step {origin["step"]:,}'


def _asked(folder: pathlib.Path) -> list[str]:
  """Returns the attributes of each sample of a conditional model."""
  path = folder / run_figures.ASKED
  return json.loads(path.read_text()) if path.exists() else []


def _made(starts: Sequence[Row]) -> list[tuple[str, str]]:
  """Returns how a run was started last, as far as it is known."""
  last = starts[-1] if starts else {}
  names = {
    'command': 'Command',
    'version': 'Version of vaegan_jax',
    'commit': 'Commit',
    'jax': 'Version of JAX',
  }
  return [(title, last[key]) for key, title in names.items() if key in last]


def _lengthenings(starts: Sequence[Row]) -> Iterator[tuple[str, str]]:
  for step, before, after in records.lengthenings(starts):
    yield f'Lengthened at step {step:,}', f'{before:,} to {after:,} steps'


def _updates(row: Row) -> list[tuple[str, str, str]]:
  """Returns the networks of a row with their updates and share of steps."""
  return [
    (network, f'{row[name]:,.0f}', f'{row[name] / row["step"]:.1%}')
    for network, name in ((n, m.name) for n, m in metrics.UPDATES.items())
    if row.get(name) is not None
  ]


def _groups(settings: Settings) -> list[list[tuple[str, str]]]:
  """Returns names and values of the settings, grouped by section."""
  groups: dict[str, list[tuple[str, str]]] = {}
  for name, value in settings.items():
    section = name.partition('.')[0] if '.' in name else ''
    groups.setdefault(section, []).append((name, repr(value)))
  return list(groups.values())
