"""Config -> the memory and work of each chip of a TPU slice.

libtpu contains XLA's compiler for TPUs, and JAX describes absent chips to it.
The training step is compiled and analysed, and never run. No data is read.
"""

from __future__ import annotations

import dataclasses
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
_CELEBA_TRAIN, _CELEBA_VALIDATION, _LFW_TRAIN = 162_770, 19_867, 9_525

# Without these libtpu searches for a TPU, and only one process at a time can
# use it. The chips to compile for are those of the topology.
_ENVIRONMENT = {
  'ALLOW_MULTIPLE_LIBTPU_LOAD': '1',
  'TPU_ACCELERATOR_TYPE': 'v5litepod-4',
  'TPU_SKIP_MDS_QUERY': '1',
  'TPU_WORKER_HOSTNAMES': 'localhost',
}


class TooLarge(ValueError):
  """Reports a program that needs more memory than a chip has."""


class Memory(NamedTuple):
  """Bytes on one chip.

  Attributes:
    state: parameters, statistics, averages and optimizers of all networks.
    activations: XLA's temporaries: activations, gradients, work space.
    batch: the chip's part of a batch.
    data: the data set, if it is resident.
    rest: the program, metrics, and the padding of tiles.
  """

  state: int
  activations: int
  batch: int
  data: int
  rest: int


@dataclasses.dataclass(frozen=True)
class Plan:
  """A run on a slice.

  Attributes:
    where: the chips.
    batch_size: images of all chips.
    steps: the config's schedule.
    memory: of one chip.
    flops: XLA's count for a step of one chip.
    bytes_accessed: XLA's count, in all memories.
    traffic: the traffic of a step of one chip.
  """

  where: roofline.Slice
  batch_size: int
  steps: int
  memory: Memory
  flops: float
  bytes_accessed: float
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
    return roofline.seconds(self.where, flops=self.flops, traffic=self.traffic)


def count_images(config: build.Config) -> int:
  """Counts the training images of a config's source, without reading it.

  Raises:
    ValueError: if the number depends on the user's files.
  """
  source = config.data.source
  if source == 'faces':
    return config.data.faces
  if source == 'celeba':
    both = config.data.train_on_validation
    return _CELEBA_TRAIN + (_CELEBA_VALIDATION if both else 0)
  if source == 'lfw':
    return _LFW_TRAIN
  raise ValueError(
    f"the number of images of config.data.source = '{source}' is unknown: "
    'give it with --images=N'
  )


def make(config: build.Config, where: roofline.Slice, *, images: int) -> Plan:
  """Compiles the training step of a config for chips, and analyses it.

  Args:
    config: any config; its data may be absent.
    where: the chips.
    images: the number of training images.

  Raises:
    ValueError: for settings that cannot work, or cannot be planned.
    TooLarge: if the program needs more memory than a chip has.
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
    raise TooLarge(
      f'does not fit {where.name}: take a smaller config.batch_size or more '
      f'chips. XLA reports: {str(error).splitlines()[0]}'
    ) from error
  cost = compiled.cost_analysis()
  data = images * math.prod(batch.pixels.shape[1:])
  memory = _memory(
    compiled.memory_analysis(),
    state=_bytes(run.abstract_state),
    batch=_bytes(batch) // where.chips,
    data=data if data <= config.data.resident else 0,
  )
  return Plan(
    where,
    config.batch_size,
    config.steps,
    memory,
    cost['flops'],
    cost['bytes accessed'],
    hlo.traffic(compiled.as_text(), devices=where.chips),
  )


def describe_batch(
  config: build.Config, *, sharding: jax.sharding.Sharding
) -> batches.Batch:
  """Returns the shapes and types of a batch."""

  def describe(shape: tuple[int, ...], dtype: Any) -> Any:
    return jax.ShapeDtypeStruct(shape, dtype, sharding=sharding)

  shape = build.networks(config).decoder.shape
  attributes = len(build.conditional(config))
  return batches.Batch(
    describe((config.batch_size, *shape), jnp.uint8),
    describe((config.batch_size, attributes), jnp.float32)
    if attributes
    else None,
  )


def _memory(analysis: Any, *, state: int, batch: int, data: int) -> Memory:
  return Memory(
    state,
    analysis.temp_size_in_bytes,
    batch,
    data,
    analysis.argument_size_in_bytes
    - (state + batch)
    + analysis.output_size_in_bytes
    - analysis.alias_size_in_bytes
    + analysis.generated_code_size_in_bytes,
  )


def devices(where: roofline.Slice) -> tuple[jax.Device, ...]:
  """Describes the absent chips of a slice to JAX.

  Raises:
    ValueError: if libtpu is not installed, or does not know the chips.
  """
  if importlib.util.find_spec('libtpu') is None:
    raise ValueError(
      "planning needs XLA's compiler for TPUs: pip install "
      "'vaegan_jax[tpu-plan]'"
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
