"""Our training step of the reference, ready to be timed."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from benchmarks import contestants, reference
from experiments import launch
from vaegan_jax.config import schema
from vaegan_jax.data import batches
from vaegan_jax.training import setup


def prepare(size: int, batch: int, **changes: Any) -> contestants.Prepared:
  """Compiles our step.

  Args:
    size: pixels a side.
    batch: images a step.
    **changes: settings by dotted name, beside those of the reference.
  """
  launch.compute_on_calling_thread()  # as a launcher does
  config = schema.change(reference.config(size, batch), changes)
  run, steps = setup.prepare(config), config.steps_per_dispatch
  # Several steps in a call take a row of batches.
  before = (steps,) if steps > 1 else ()
  pixels = np.random.default_rng(0).integers(
    0, 256, (*before, batch, size, size, 3), np.uint8
  )
  sharded = run.compiled.sharded
  spec = jax.sharding.PartitionSpec(*[None] * len(before), *sharded.spec)
  where = jax.sharding.NamedSharding(sharded.mesh, spec)
  data = batches.Batch(jax.device_put(pixels, where), None)
  state = [run.initialise()]
  traced = run.compiled.step.trace(state[0], data)
  compiled = traced.lower().compile()

  def calls(count: int) -> None:
    for _ in range(count):
      state[0], metrics = compiled(state[0], data)
    jax.block_until_ready((state[0], metrics))

  planned = compiled.memory_analysis()
  about = {
    'planned_bytes': planned.temp_size_in_bytes + planned.argument_size_in_bytes
  }
  if steps == 1:
    # XLA's count for a CPU, but not for a TPU, counts the body of a loop once.
    lowered = traced.lower(lowering_platforms=('tpu',))
    about['flops'] = lowered.cost_analysis()['flops']
  cpu = jax.default_backend() == 'cpu'
  device = '' if cpu else jax.devices()[0].device_kind
  return contestants.Prepared(calls, device, steps, about)
