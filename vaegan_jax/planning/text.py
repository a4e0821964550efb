"""A plan for people, and for programs."""

from __future__ import annotations

from collections import Counter
from typing import Any

from vaegan_jax.planning import plans, roofline

_ASSUMPTIONS = """\
The least time is a bound, not a measurement. Matrix units, HBM and links run at
their published rates (float32 products are one bfloat16 pass, XLA's default
on TPUs); fetching hides behind computing or the reverse; collectives come on
top, an all-reduce sending 2 (n - 1) / n of its bytes round a ring, all others
(n - 1) / n, over every link at once, at {hop:.0f} us a hop or more. Nothing is
in it of hosts, data loading, pictures, checkpoints and compilation."""


def describe(plan: plans.Plan) -> str:
  """Writes a plan for a terminal: first what each chip holds, then its work."""
  lines = [
    f'{plan.where.name}: {plan.where.chips} chips, a batch of '
    f'{plan.batch_size}, {plan.batch_size // plan.where.chips} images a chip',
    '',
    *_memory(plan),
    '',
    *_work(plan),
    '',
    *_times(plan),
    '',
    _ASSUMPTIONS.format(hop=1e6 * roofline.HOP),
  ]
  return '\n'.join(lines)


def row(plan: plans.Plan) -> dict[str, Any]:
  """Gives a plan's numbers by name: bytes, operations, seconds of one chip."""
  memory, least, step = plan.memory, plan.least, plan.step
  collectives = step.traffic.collectives
  return {
    'topology': plan.where.name,
    'chips': plan.where.chips,
    'batch_size': plan.batch_size,
    'memory': {
      name: getattr(memory, name) for name in (*_PARTS, 'rest', 'total')
    },
    'memory_limit': plan.where.chip.memory,
    'fits': plan.fits,
    'flops': step.flops,
    'bytes_accessed': step.accessed,
    'hbm_bytes': step.traffic.main_bytes,
    'feed_hbm_bytes': plan.feed.traffic.main_bytes if plan.feed else 0,
    'collective_bytes': sum(each.size for each in collectives),
    'collective_bytes_sent': sum(each.sent for each in collectives),
    'collectives': dict(Counter(each.kind for each in collectives)),
    'loops': step.traffic.loops,
    'least_seconds': {**least._asdict(), 'total': least.total},
    'images_per_second': plan.images_per_second,
    'schedule_seconds': plan.steps * least.total,
    'xla_optimal_seconds': step.optimal_seconds,
    'xla_cycles': step.traffic.cycles,
    'compiled_in_seconds': step.compiled_in,
  }


_PARTS = {
  'parameters': 'parameters',
  'optimizers': 'optimizer states',
  'activations': 'activations',
  'batch': 'batch',
  'data': 'data set',
  'rest': 'programs, padding',
}


def _memory(plan: plans.Plan) -> list[str]:
  memory, limit = plan.memory, plan.where.chip.memory
  lines = ['Memory of a chip']
  lines += [
    _line(label, f'{getattr(memory, name) / 1e6:12,.1f} MB')
    for name, label in _PARTS.items()
  ]
  if not plan.feed:
    lines[5] += '  stays on the hosts'
  share = memory.total / limit
  verdict = 'fits' if plan.fits else 'DOES NOT FIT'
  lines.append(
    _line(
      'together',
      f'{memory.total / 1e6:12,.1f} MB  of {limit / 1e6:,.0f} MB '
      f'({share:.0%}): {verdict}',
    )
  )
  return lines


def _work(plan: plans.Plan) -> list[str]:
  step, feed = plan.step, plan.feed
  collectives = step.traffic.collectives
  kinds = Counter(each.kind for each in collectives)
  named = ', '.join(f'{n} {kind}' for kind, n in kinds.items()) or 'none'
  size = sum(each.size for each in collectives) / 1e6
  sent = sum(each.sent for each in collectives) / 1e6
  lines = [
    'Work of a chip in a step',
    _line('operations', f'{step.flops / 1e9:12,.1f} GFLOP'),
    _line(
      'bytes of HBM',
      f'{step.traffic.main_bytes / 1e6:12,.1f} MB  without what stays on chip '
      f'(with it, by XLA: {step.accessed / 1e6:,.1f} MB)',
    ),
    _line(
      'collectives', f'{size:12,.1f} MB  {named}; {sent:,.1f} MB sent by a chip'
    ),
  ]
  if feed:
    lines.append(
      _line(
        'making a batch',
        f'{feed.traffic.main_bytes / 1e6:12,.1f} MB  of HBM, from the resident '
        'data',
      )
    )
  if step.traffic.loops:
    lines.append(
      f'  The program has {step.traffic.loops} loops, whose work is counted '
      'once, however often it is done: all this is too little.'
    )
  return lines


def _times(plan: plans.Plan) -> list[str]:
  least, step = plan.least, plan.step
  hours = plan.steps * least.total / 3600
  lines = [
    'Least time of a step',
    _line('computing', _ms(least.compute)),
    _line('HBM', _ms(least.memory)),
    _line('exchange', _ms(least.exchange)),
    _line(
      'together',
      f'{_ms(least.total)}  {plan.images_per_second:,.0f} images/s',
    ),
    _line('schedule', f'{hours:12.2f} h   {plan.steps:,} steps'),
  ]
  clock = plan.where.chip.clock
  if clock and step.traffic.cycles:
    lines.append(
      _line(
        "XLA's estimate",
        f'{_ms(step.traffic.cycles / clock)}  its cycles of all fusions, at '
        f'{clock / 1e9} GHz, without exchange',
      )
    )
  if step.optimal_seconds:
    lines.append(_line('optimal_seconds', f'{_ms(step.optimal_seconds)}  XLA'))
  return lines


def _line(label: str, value: str) -> str:
  return f'  {label:18}{value}'


def _ms(seconds: float) -> str:
  return f'{1e3 * seconds:12.3f} ms'
