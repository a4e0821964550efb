"""Looks at the machine: what it is, what it can do, who can be timed on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks import ceilings, contestants, host, machine, race, workers


class Survey(NamedTuple):
  """What was found.

  Attributes:
    machine: what it is and what it can do, for the record.
    names: of the contestants that can be timed.
    missing: those that cannot.
  """

  machine: dict[str, Any]
  names: list[str]
  missing: list[race.Missing]


def survey(asked: Sequence[str]) -> Survey:
  """Starts each framework once, and measures the machine with it.

  Args:
    asked: names of contestants; none: all that the machine can run.
  """
  platforms: dict[str, str] = {}
  devices: dict[str, str | None] = {}
  measured: dict[str, dict[str, float]] = {}
  lacks = {n: f.missing() for n, f in contestants.FRAMEWORKS.items()}
  for name in (n for n, lacking in lacks.items() if not lacking):
    race.say(f'{name}: the machine is looked at')
    with workers.opened() as worker:
      try:
        platforms[name], devices[name] = worker.call(host.look, name)
        if name in ceilings.MEASURES:
          measured[name] = worker.call(host.measure, name)
      except host.Failed as error:
        lacks[name] = [str(error)]
  names, missing = able(asked, lacks=lacks, platforms=platforms)
  accelerator = next((d for d in devices.values() if d), None)
  return Survey(
    {
      'machine': machine.describe(accelerator),
      'accelerator': accelerator,
      'processor': machine.processor(),
      'cores': machine.cores(),
      'platforms': platforms,
      'versions': machine.versions(),
      'ceilings': best(measured),
      'ceilings_by_framework': measured,
    },
    names,
    missing,
  )


def able(
  asked: Sequence[str],
  *,
  lacks: Mapping[str, Sequence[str]],
  platforms: Mapping[str, str],
) -> tuple[list[str], list[race.Missing]]:
  """Divides contestants into those that can be timed, and the others.

  Args:
    asked: their names; none: all but those that do not suit the machine.
    lacks: what each framework lacks.
    platforms: on what each runs.
  """
  names, missing = [], []
  for name, contestant in contestants.CONTESTANTS.items():
    framework = contestant.framework
    if asked and name not in asked:
      continue
    if lacks[framework]:
      why = f'not installed or not working: {", ".join(lacks[framework])}'
      missing.append(race.Missing(name, None, why))
    elif asked or not contestant.accelerator or platforms[framework] != 'cpu':
      names.append(name)
  suits = platforms.get('jax', 'cpu') != 'cpu'
  if contestants.LOOP in asked or (suits and not asked):
    names.append(contestants.LOOP)
  return names, missing


def best(measured: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
  """Takes the largest of each rate."""
  kinds = {kind for rates in measured.values() for kind in rates}
  return {
    kind: max(rates.get(kind, 0) for rates in measured.values())
    for kind in sorted(kinds)
  }
