"""Writes a plan for people, and for programs."""

from __future__ import annotations

from collections import Counter
from typing import Any

from vaegan_jax.planning import plans, roofline

_REPORT = """\
{topology}: {chips} chips, a batch of {batch_size}, {chip_batch} images a chip

Memory of a chip
  state             {state:12,.1f} MB
  activations       {activations:12,.1f} MB
  batch             {batch:12,.1f} MB
  data set          {data:12,.1f} MB{stays}
  programs, padding {rest:12,.1f} MB
  total             {total:12,.1f} MB  of {limit:,.0f} MB: {verdict}
  largest batch     {largest_batch:12,} images, estimated

Work of a chip in a step
  operations        {gflop:12,.1f} GFLOP
  HBM traffic       {hbm:12,.1f} MB  (XLA, all memories: {accessed:,.1f} MB)
  collectives       {collective:12,.1f} MB  {kinds}; a chip sends {sent:,.1f} MB

Least time of a step
  computing         {compute:12.3f} ms
  HBM               {memory:12.3f} ms
  exchange          {exchange:12.3f} ms
  total             {least:12.3f} ms  {images_per_second:,.0f} images/s
  schedule          {hours:12.2f} h   {steps:,} steps{estimate}

The least time is a bound, not a measurement. Matrix units, HBM and links run at
their published rates (float32 products are one bfloat16 pass, XLA's default on
TPUs). Computing and HBM traffic overlap. Collectives add to them: an all-reduce
sends 2 (n - 1) / n of its bytes in a ring, the others (n - 1) / n, over every
link at once, with at least {hop:.0f} us a hop. Hosts, data loading, pictures,
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
  numbers, clock = row(plan), plan.where.chip.clock
  kinds = [f'{n} {kind}' for kind, n in numbers['collectives'].items()]
  milliseconds = {k: 1e3 * s for k, s in numbers['least_seconds'].items()}
  estimate = ''
  if clock and plan.traffic.cycles:
    estimate = (
      f'\n  XLA estimates     {1e3 * plan.traffic.cycles / clock:12.3f} ms  '
      f'for the fused operations, at {clock / 1e9} GHz, without exchange'
    )
  return _REPORT.format(
    **(
      numbers
      | milliseconds
      | {k: n / 1e6 for k, n in numbers['memory'].items()}
    ),
    chip_batch=plan.batch_size // plan.where.chips,
    stays='' if plan.memory.data else '  stays on the hosts',
    limit=plan.where.chip.memory / 1e6,
    verdict='fits' if plan.fits else 'DOES NOT FIT',
    gflop=plan.flops / 1e9,
    hbm=plan.traffic.hbm_bytes / 1e6,
    accessed=plan.bytes_accessed / 1e6,
    collective=numbers['collective_bytes'] / 1e6,
    sent=numbers['collective_bytes_sent'] / 1e6,
    kinds=', '.join(kinds) or 'none',
    least=milliseconds['total'],
    hours=numbers['schedule_seconds'] / 3600,
    steps=plan.steps,
    estimate=estimate,
    hop=1e6 * roofline.HOP,
  )
