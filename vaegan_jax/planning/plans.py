"""Config -> the memory and work of each chip of a TPU slice.

libtpu contains XLA's compiler for TPUs, and JAX describes absent chips to it.
The training step is compiled and analysed, and never run. No data is read.
"""

from __future__ import annotations

import importlib.util
import logging
import math
import os
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental import topologies

from vaegan_jax.config import build, schema
from vaegan_jax.data import batches
from vaegan_jax.planning import hlo, roofline
from vaegan_jax.training import setup

_LOGGER = logging.getLogger(__name__)

# Training images of whole data sets, by the lists of their authors.
_IMAGES = {'celeba': 162_770, 'lfw': 9_525}
_CELEBA_VALIDATION = 19_867

# Without these libtpu searches for a TPU, and only one process at a time can
# use it. The chips to compile for are those of the topology.
_ENVIRONMENT = {
  'ALLOW_MULTIPLE_LIBTPU_LOAD': '1',
  'TPU_ACCELERATOR_TYPE': 'v5litepod-4',
  'TPU_SKIP_MDS_QUERY': '1',
  'TPU_WORKER_HOSTNAMES': 'localhost',
}


class Memory(NamedTuple):
  """Bytes on one chip."""

  state: int  # parameters, statistics, averages and optimizers
  activations: int  # XLA's temporaries: activations, gradients, work space
  batch: int  # the chip's part of a batch
  data: int  # the data set, if it is resident
  rest: int  # the program, metrics, and the padding of tiles


class Plan(NamedTuple):
  """A run on a slice: its memory, and its work in a step, of one chip."""

  where: roofline.Slice
  batch_size: int  # images of all chips
  steps: int  # of the config's schedule
  memory: Memory
  flops: float  # XLA's count
  bytes_accessed: float  # XLA's count, in all memories
  traffic: hlo.Traffic

  @property
  def fits(self) -> bool:
    """Returns whether one chip holds the run."""
    return sum(self.memory) <= self.where.chip.memory

  @property
  def largest_batch(self) -> int:
    """Estimates the largest batch that fits, if memory grows as the batch."""
    chips, free = self.where.chips, self.where.chip.memory - sum(self.memory)
    image = (self.memory.activations + self.memory.batch) / self.batch_size
    return int(self.batch_size + free / image) // chips * chips

  @property
  def least(self) -> roofline.Seconds:
    """Returns the least time of a step."""
    return roofline.Seconds(
      self.flops / self.where.chip.flops,
      self.traffic.hbm_bytes / self.where.chip.bandwidth,
      sum(roofline.exchange(self.where, c) for c in self.traffic.collectives),
    )


def count_images(config: build.Config) -> int:
  """Counts the training images of a config's source, without reading it.

  Raises:
    ValueError: if the number depends on the user's files.
  """
  source = config.data.source
  if source == 'faces':
    return config.data.faces
  if source == 'celeba' and config.data.train_on_validation:
    return _IMAGES['celeba'] + _CELEBA_VALIDATION
  if source in _IMAGES:
    return _IMAGES[source]
  raise ValueError(
    f"the number of images of config.data.source = '{source}' is unknown: "
    'give it with --images=N'
  )


def make(config: build.Config, where: roofline.Slice, *, images: int) -> Plan:
  """Compiles the training step of a config for chips, and analyses it.

  `images` is the number of training images; the data may be absent.

  Raises:
    ValueError: for settings that cannot work or be planned, and for a program
      that needs more memory than a chip has.
  """
  config = _plannable(config)
  run = setup.prepare(config, devices=devices(where))
  batch = describe_batch(config, sharding=run.compiled.sharded)
  _LOGGER.info('Compiling a batch of %d, for minutes.', config.batch_size)
  step: Any = run.compiled.step
  try:
    compiled = step.lower(run.abstract_state, batch).compile()
  except jax.errors.JaxRuntimeError as error:
    if 'RESOURCE_EXHAUSTED' not in str(error):
      raise
    raise ValueError(
      f'the step does not fit {where.name}: take a smaller config.batch_size '
      f'or more chips. XLA reports: {str(error).splitlines()[0]}'
    ) from error
  cost, analysis = compiled.cost_analysis(), compiled.memory_analysis()
  state, rows = _bytes(run.abstract_state), _bytes(batch) // where.chips
  data = images * math.prod(batch.pixels.shape[1:])
  memory = Memory(
    state,
    analysis.temp_size_in_bytes,
    rows,
    data if data <= config.data.resident else 0,
    analysis.argument_size_in_bytes
    - (state + rows)
    + analysis.output_size_in_bytes
    - analysis.alias_size_in_bytes
    + analysis.generated_code_size_in_bytes,
  )
  return Plan(
    *(where, config.batch_size, config.steps, memory),
    *(cost['flops'], cost['bytes accessed']),
    hlo.traffic(compiled.as_text(), devices=where.chips),
  )


def describe_batch(
  config: build.Config, *, sharding: jax.sharding.Sharding
) -> batches.Batch:
  """Returns the shapes and types of a batch."""

  def describe(shape: tuple[int, ...], dtype: Any) -> Any:
    whole = (config.batch_size, *shape)
    return jax.ShapeDtypeStruct(whole, dtype, sharding=sharding)

  pixels = describe(build.networks(config).decoder.shape, jnp.uint8)
  attributes = len(build.conditional(config))
  if not attributes:
    return batches.Batch(pixels, None)
  return batches.Batch(pixels, describe((attributes,), jnp.float32))


def devices(where: roofline.Slice) -> tuple[jax.Device, ...]:
  """Describes the absent chips of a slice to JAX.

  Raises:
    ValueError: if libtpu is not installed, or does not know the chips.
  """
  if importlib.util.find_spec('libtpu') is None:
    raise ValueError(
      "planning needs XLA's compiler for TPUs: pip install -e '.[tpu-plan]'"
    )
  for name, value in _ENVIRONMENT.items():
    os.environ.setdefault(name, value)
  options: dict[str, Any] = {}
  if where.chips < 4:  # the default host has four
    options['chips_per_host_bounds'] = [*where.shape, 1]
  if where.kind == 'v4':  # its two cores are one device, as on Cloud TPU
    options['chip_config_name'] = 'megacore'
  try:
    found = topologies.get_topology_desc(
      platform='tpu', topology_name=where.name, **options
    )
  except jax.errors.JaxRuntimeError as error:
    raise ValueError(
      f'the installed libtpu has no compiler for {where.name}: install the '
      f"release for jax {jax.__version__} (pip install 'jax[tpu]'). libtpu "
      f'reports: {error}'
    ) from error
  return tuple(found.devices)


def _plannable(config: build.Config) -> build.Config:
  """Refuses what cannot be planned, and fills in what need not be known.

  XLA counts a loop of several steps as one, so that one step is planned.
  """
  if config.compile != 'jit':
    raise ValueError(
      f"config.compile = {config.compile!r}: only 'jit' can be compiled for "
      'absent chips; plan with --config.compile=jit'
    )
  if config.conditional == build.ALL:
    raise ValueError(
      f'config.conditional = {build.ALL!r} depends on the data, which is not '
      'read: name the attributes'
    )
  filled: dict[str, Any] = {'steps_per_dispatch': 1}
  if config.data.source != 'faces' and not config.data.path:
    filled['data.path'] = 'unread'
  return schema.change(config, filled)


def _bytes(tree: Any) -> int:
  """Counts the bytes of described arrays."""
  return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(tree))
