"""A config -> what each chip will hold and do.

The programs are those of training: compiled, looked at and never run. No data
is read.
"""

from __future__ import annotations

import dataclasses
import logging
import math
from typing import Any

import jax
import jax.numpy as jnp

from vaegan_jax.config import build
from vaegan_jax.core import train_state
from vaegan_jax.data import batches
from vaegan_jax.planning import programs, roofline
from vaegan_jax.training import setup

_LOGGER = logging.getLogger(__name__)

# Training images of whole data sets, by the lists of their authors.
_CELEBA_TRAIN, _CELEBA_VALIDATION, _LFW_TRAIN = 162_770, 19_867, 9_525

# Stands for the path of a source, which is not read but must not be empty.
_UNREAD = 'unread'


@dataclasses.dataclass(frozen=True)
class Memory:
  """Bytes on one chip.

  Attributes:
    parameters: of all networks, with running statistics and averages.
    optimizers: their states.
    batch: the chip's rows of one.
    data: the data set, if it is resident.
    activations: XLA's temporaries, the most that any program needs:
      activations, gradients, work space.
    rest: the programs, metrics, and what tiles pad.
  """

  parameters: int
  optimizers: int
  batch: int
  data: int
  activations: int
  rest: int

  @property
  def total(self) -> int:
    """Gives the sum."""
    return sum(dataclasses.astuple(self))


@dataclasses.dataclass(frozen=True)
class Plan:
  """A run on chips.

  Attributes:
    where: the chips.
    batch_size: over all of them.
    steps: of the config's schedule.
    memory: of one chip.
    step: the program of training.
    feed: that which makes a batch of resident data; None if hosts make it.
  """

  where: roofline.Slice
  batch_size: int
  steps: int
  memory: Memory
  step: programs.Program
  feed: programs.Program | None

  @property
  def fits(self) -> bool:
    """Says whether one chip holds it."""
    return self.memory.total <= self.where.chip.memory

  @property
  def least(self) -> roofline.Seconds:
    """Gives the parts of the least time of a step, its batch included."""
    both = [self.step, *([self.feed] if self.feed else [])]
    return roofline.seconds(
      self.where,
      flops=sum(each.flops for each in both),
      main_bytes=sum(each.traffic.main_bytes for each in both),
      collectives=self.step.traffic.collectives,
    )

  @property
  def images_per_second(self) -> float:
    """Gives the most that all chips can train on."""
    return self.batch_size / self.least.total


def images(config: build.Config) -> int:
  """Counts the training images of a config's source, without reading it.

  Raises:
    ValueError: it depends on what lies on a disk.
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
    f"how many images config.data.source = '{source}' has is not known here: "
    'say it with --images=N'
  )


def make(config: build.Config, where: roofline.Slice, *, images: int) -> Plan:
  """Compiles a config's programs for chips, and looks at what they need.

  Args:
    config: any, of a source that need not be there.
    where: the chips.
    images: to train on.

  Raises:
    ValueError: for settings that cannot work, or cannot be planned.
    programs.TooLarge: the compiler finds no way to run it on these chips.
  """
  config = _plannable(config)
  run = setup.prepare(config, devices=programs.devices(where))
  rows = _rows(config)
  sharded = run.compiled.sharded
  drawn: list[Any] = [_many(config.batch_size, row, sharded) for row in rows]
  batch = batches.Batch(drawn[0], drawn[1] if drawn[1:] else None)
  _LOGGER.info(
    'Compiling a batch of %d for %s, which takes minutes.',
    config.batch_size,
    where.name,
  )
  step = programs.compile_for(
    where, run.compiled.step, run.abstract_state, batch
  )
  feed = None
  if images * _bytes(rows[0]) <= config.data.resident:
    everywhere = run.compiled.replicated
    number = jax.ShapeDtypeStruct((), jnp.int32)
    feed = programs.compile_for(
      where,
      batches.gatherer([row.shape for row in rows], sharding=sharded),
      [_many(images, _flat(row), everywhere) for row in rows],
      _many(config.batch_size, number, everywhere),
    )
  memory = _memory(
    run.abstract_state, _bytes(batch) // where.chips, step=step, feed=feed
  )
  return Plan(where, config.batch_size, config.steps, memory, step, feed)


def _plannable(config: build.Config) -> build.Config:
  """Refuses what cannot be planned, and fills in what need not be known.

  One step a call: XLA counts a loop of several as one, and their work is the
  same.
  """
  if config.compile != 'jit':
    raise ValueError(
      f"config.compile = {config.compile!r}: only 'jit' can be compiled for "
      'chips that are not there; plan with --config.compile=jit'
    )
  if config.conditional == build.ALL:
    raise ValueError(
      f'config.conditional = {build.ALL!r}: which attributes those are '
      'depends on the data, which is not read; name them'
    )
  filled: dict[str, Any] = {'steps_per_dispatch': 1}
  if config.data.source != 'faces' and not config.data.path:
    filled['data.path'] = _UNREAD
  return build.change(config, filled)


def _rows(config: build.Config) -> list[jax.ShapeDtypeStruct]:
  """Describes what the data has of one image."""
  shape = build.networks(config).decoder.shape
  rows = [jax.ShapeDtypeStruct(shape, jnp.uint8)]
  attributes = len(build.conditional(config))
  if attributes:
    rows.append(jax.ShapeDtypeStruct((attributes,), jnp.float32))
  return rows


def _many(
  count: int, row: jax.ShapeDtypeStruct, sharding: jax.sharding.Sharding
) -> jax.ShapeDtypeStruct:
  return jax.ShapeDtypeStruct((count, *row.shape), row.dtype, sharding=sharding)


def _flat(row: jax.ShapeDtypeStruct) -> jax.ShapeDtypeStruct:
  return jax.ShapeDtypeStruct((math.prod(row.shape),), row.dtype)


def _memory(
  state: train_state.TrainState,
  batch: int,
  *,
  step: programs.Program,
  feed: programs.Program | None,
) -> Memory:
  networks = state.networks.values()
  parameters = _bytes([(n.variables(), n.average) for n in networks])
  optimizers = _bytes([n.opt_state for n in networks])
  both = [step, *([feed] if feed else [])]
  return Memory(
    parameters=parameters,
    optimizers=optimizers,
    batch=batch,
    data=feed.arguments if feed else 0,
    activations=max(each.temporaries for each in both),
    rest=step.arguments
    - (parameters + optimizers + batch)
    + step.results
    + sum(each.code for each in both),
  )


def _bytes(tree: Any) -> int:
  """Counts what arrays hold, which are only described."""
  return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(tree))
