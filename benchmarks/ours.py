"""Our training step of the reference, ready to be timed."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from benchmarks import contestants, reference
from experiments import memory
from vaegan_jax.config import build
from vaegan_jax.data import batches
from vaegan_jax.training import setup


def load() -> str:
  """Gets JAX ready, and says on what it runs: 'cpu', 'gpu' or 'tpu'."""
  memory.compute_here()  # as a launcher does
  return jax.default_backend()


def device() -> str:
  """Names the accelerator."""
  return jax.devices()[0].device_kind


def prepare(size: int, batch: int, **changes: Any) -> contestants.Prepared:
  """Compiles a step of ours.

  Args:
    size: pixels a side.
    batch: images a step.
    **changes: settings by dotted name, beside those of the reference.
  """
  config = build.change(reference.config(size, batch), changes)
  run, many = setup.prepare(config), config.steps_per_dispatch
  # Several steps in a call take a row of batches.
  before = (many,) if many > 1 else ()
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

  about = _about(traced, compiled) if many == 1 else _planned(compiled)
  return contestants.Prepared(calls, steps=many, about=about)


def _planned(compiled: Any) -> dict[str, float]:
  memory = compiled.memory_analysis()
  held = memory.temp_size_in_bytes + memory.argument_size_in_bytes
  return {'planned_bytes': held}


def _about(traced: Any, compiled: Any) -> dict[str, float]:
  """Asks XLA for what a step takes.

  Operations are those of the program lowered for a TPU: XLA's count for a CPU
  enters the body of a loop once, however often it runs; so does that of bytes,
  which is only asked for elsewhere.
  """
  lowered = traced.lower(lowering_platforms=('tpu',))
  about = {**_planned(compiled), 'flops': lowered.cost_analysis()['flops']}
  if jax.default_backend() != 'cpu':
    about['bytes_moved'] = compiled.cost_analysis()['bytes accessed']
  return about
