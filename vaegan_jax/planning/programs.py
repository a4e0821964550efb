"""Programs compiled for TPUs that are not there.

libtpu holds XLA's compiler for TPUs, and JAX describes the chips to it. What
it compiles is looked at, and cannot be run.
"""

from __future__ import annotations

import importlib.util
import os
import time
from typing import Any, NamedTuple

import jax
from jax.experimental import topologies

from vaegan_jax.planning import hlo, roofline

# Without these libtpu asks around for a TPU, and lets only one process at a
# time use it. The chips that it compiles for are named apart.
_ENVIRONMENT = {
  'ALLOW_MULTIPLE_LIBTPU_LOAD': '1',
  'TPU_ACCELERATOR_TYPE': 'v5litepod-4',
  'TPU_SKIP_MDS_QUERY': '1',
  'TPU_WORKER_HOSTNAMES': 'localhost',
}


class TooLarge(ValueError):
  """Reports a program that needs more memory than a chip has."""


class Program(NamedTuple):
  """What XLA says of a program it compiled, for one chip.

  Attributes:
    arguments: bytes that it is given, as they lie in memory.
    results: bytes that it gives, but for those that it puts over arguments.
    temporaries: bytes that it needs in between.
    code: bytes of itself.
    flops: floating point operations.
    accessed: bytes read and written, in all memories.
    optimal_seconds: by XLA; None where it cannot tell.
    traffic: what its text tells.
    compiled_in: seconds.
  """

  arguments: int
  results: int
  temporaries: int
  code: int
  flops: float
  accessed: float
  optimal_seconds: float | None
  traffic: hlo.Traffic
  compiled_in: float


def devices(where: roofline.Slice) -> tuple[jax.Device, ...]:
  """Describes chips that are not there.

  Raises:
    ValueError: libtpu is not installed, or does not know them.
  """
  if importlib.util.find_spec('libtpu') is None:
    raise ValueError(
      "planning needs XLA's compiler for TPUs: pip install "
      "'vaegan_jax[tpu-plan]'"
    )
  for name, value in _ENVIRONMENT.items():
    os.environ.setdefault(name, value)
  options: dict[str, Any] = {}
  if where.chips < 4:  # a host has four, unless it is said to have fewer
    options['chips_per_host_bounds'] = [*where.shape, 1]
  if where.kind == 'v4':  # its two cores are one device, as on Cloud TPU
    options['chip_config_name'] = 'megacore'
  try:
    found = topologies.get_topology_desc(
      platform='tpu', topology_name=where.name, **options
    )
  except jax.errors.JaxRuntimeError as error:
    raise ValueError(
      f'the installed libtpu has no compiler for {where.name}: take the one '
      f"that goes with jax {jax.__version__} (pip install 'jax[tpu]'). It "
      f'says: {error}'
    ) from error
  return tuple(found.devices)


def compile_for(where: roofline.Slice, jitted: Any, *arguments: Any) -> Program:
  """Compiles a jitted function for chips, and asks XLA about it.

  Args:
    where: the chips, those of the function's shardings.
    jitted: the function.
    *arguments: of it, which may be shapes and types alone.

  Raises:
    TooLarge: the compiler finds no way to run it in the chips' memory.
  """
  start = time.perf_counter()
  try:
    compiled = jitted.lower(*arguments).compile()
  except jax.errors.JaxRuntimeError as error:
    if 'RESOURCE_EXHAUSTED' not in str(error):
      raise
    raise TooLarge(
      f'does not fit {where.name}: take a smaller config.batch_size '
      '(--largest_batch finds one) or more chips. XLA says: '
      f'{str(error).splitlines()[0]}'
    ) from error
  compiled_in = time.perf_counter() - start
  memory, cost = compiled.memory_analysis(), compiled.cost_analysis()
  # A sum over operations, with negative parts for those XLA cannot tell.
  optimal = cost.get('optimal_seconds', -1.0)
  return Program(
    memory.argument_size_in_bytes,
    memory.output_size_in_bytes - memory.alias_size_in_bytes,
    memory.temp_size_in_bytes,
    memory.generated_code_size_in_bytes,
    cost['flops'],
    cost['bytes accessed'],
    optimal if optimal > 0 else None,
    hlo.traffic(compiled.as_text(), devices=where.chips),
    compiled_in,
  )
