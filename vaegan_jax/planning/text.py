"""Writes a plan for people, and for programs."""

from __future__ import annotations

from collections import Counter
from typing import Any

from vaegan_jax.planning import plans, roofline

_ASSUMPTIONS = f"""
The least time is a bound, not a measurement. Matrix units, HBM and links run at
their published rates (float32 products are one bfloat16 pass, XLA's default on
TPUs). Computing and HBM traffic overlap. Collectives add to them: an all-reduce
sends 2 (n - 1) / n of its bytes in a ring, the others (n - 1) / n, over every
link at once, with at least {1e6 * roofline.HOP:.0f} us a hop. Hosts, data \
loading, pictures,
checkpoints and compilation are not included."""


def row(plan: plans.Plan) -> dict[str, Any]:
  """Returns a plan's numbers: bytes, operations and seconds of one chip."""
  least, chips = plan.least, plan.where.chips
  collectives = plan.traffic.collectives
  return {
    'topology': plan.where.name,
    'chips': chips,
    'batch_size': plan.batch_size,
    'memory': {**plan.memory._asdict(), 'total': sum(plan.memory)},
    'memory_limit': plan.where.chip.memory,
    'fits': plan.fits,
    'largest_batch': plan.largest_batch,
    'flops': plan.flops,
    'bytes_accessed': plan.bytes_accessed,
    'hbm_bytes': plan.traffic.hbm_bytes,
    'collective_bytes': sum(each.size for each in collectives),
    'collective_bytes_sent': sum(each.sent(chips) for each in collectives),
    'collectives': dict(Counter(each.kind for each in collectives)),
    'least_seconds': {**least._asdict(), 'total': least.total},
    'images_per_second': plan.batch_size / least.total,
    'schedule_seconds': plan.steps * least.total,
    'xla_cycles': plan.traffic.cycles,
  }


def describe(plan: plans.Plan) -> str:
  """Returns a report for a terminal: memory, work and least time of a chip."""
  numbers, chip, least = row(plan), plan.where.chip, plan.least
  memory, steps = numbers['memory'], f'{plan.steps:,} steps'
  kinds = [f'{n} {kind}' for kind, n in numbers['collectives'].items()]
  sent = f'{numbers["collective_bytes_sent"] / 1e6:,.1f} MB'
  verdict = 'fits' if plan.fits else 'DOES NOT FIT'
  lines = [
    f'{plan.where.name}: {plan.where.chips} chips, a batch of '
    f'{plan.batch_size}, {plan.batch_size // plan.where.chips} images a chip',
    '\nMemory of a chip',
    *(_line(name, memory[name] / 1e6, 'MB') for name in memory),
    _line('limit', chip.memory / 1e6, f'MB: {verdict}'),
    _line('largest batch', plan.largest_batch, 'images, estimated'),
    '\nWork of a chip in a step',
    _line('operations', plan.flops / 1e9, 'GFLOP'),
    _line('HBM traffic', plan.traffic.hbm_bytes / 1e6, 'MB'),
    _line('all memories', plan.bytes_accessed / 1e6, 'MB, by XLA'),
    _line(
      'collectives',
      numbers['collective_bytes'] / 1e6,
      f'MB: {", ".join(kinds) or "none"}; a chip sends {sent}',
    ),
    '\nLeast time of a step',
    *(_line(name, 1e3 * s, 'ms') for name, s in least._asdict().items()),
    _line('total', 1e3 * least.total, 'ms'),
    _line('speed', numbers['images_per_second'], 'images/s'),
    _line('schedule', numbers['schedule_seconds'] / 3600, f'h, {steps}'),
  ]
  if chip.clock and plan.traffic.cycles:
    milliseconds = 1e3 * plan.traffic.cycles / chip.clock
    lines.append(_line('XLA estimates', milliseconds, 'ms without exchange'))
  return '\n'.join([*lines, _ASSUMPTIONS])


def _line(label: str, value: float, unit: str) -> str:
  return f'  {label:14}{value:14,.2f} {unit}'
