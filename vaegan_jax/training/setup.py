"""Config -> the compiled step, and the state that it begins with."""

from __future__ import annotations

import functools
import pathlib
from collections.abc import Callable, Sequence
from concurrent import futures
from typing import Any, NamedTuple

import jax

from vaegan_jax.config import build
from vaegan_jax.core import architecture, augmentation, train_state, train_step
from vaegan_jax.data import batches
from vaegan_jax.distributed import parallel
from vaegan_jax.runs import checkpoints, config_file


class Run(NamedTuple):
  """What a config makes: all that the loop needs but the records.

  Attributes:
    networks: the modules, as they are evaluated: in float32.
    compiled: the step, and where its arguments belong.
    initialise: makes the state before the first step, on the devices.
    abstract_state: the shapes, types and shardings of a state.
  """

  networks: architecture.Networks
  compiled: parallel.Compiled
  initialise: Callable[[], train_state.TrainState]
  abstract_state: train_state.TrainState

  def start(
    self, batch: batches.Batch, state: train_state.TrainState | None = None
  ) -> train_state.TrainState:
    """Compiles the step, and makes the state before the first one meanwhile.

    Args:
      batch: the shapes, types and places of what the step will get.
      state: what was restored, if anything was: no other is made then.

    Returns:
      the state to begin with.
    """
    if state is not None:
      self.compiled.lower(self.abstract_state, batch)()
      return state
    with futures.ThreadPoolExecutor(1, 'begin') as meanwhile:
      made = meanwhile.submit(self.initialise)
      self.compiled.lower(self.abstract_state, batch)()
    return made.result()


def prepare(
  config: build.Config, *, devices: Sequence[jax.Device] | None = None
) -> Run:
  """Makes the step of a config, and what makes its initial state.

  Raises:
    ValueError: for settings that cannot work, before anything is compiled.
  """
  build.check(config)
  networks = build.networks(config)
  given = _given(config, networks)
  optimizers = build.make_optimizers(config)
  axis_name = parallel.AXIS_NAME if config.compile == 'pmap' else None
  step = train_step.TrainStep(
    networks.computing(config.dtype).over_axis(axis_name),
    optimizers,
    objective=build.objective(config),
    augment=augmentation.each(
      flips=config.data.flips, jitters=config.data.jitter
    ),
    equilibrium=build.equilibrium(config),
    average_decay=config.average_decay,
    recompute=config.recompute,
  )
  whole: parallel.Step = step
  if axis_name:
    whole = parallel.over_axis(step, axis_name)
  compiled = parallel.compile_step(
    whole,
    batch_size=config.batch_size,
    devices=devices,
    how=config.compile,
    several=config.steps_per_dispatch > 1,
  )

  def initialise(given):
    return train_state.initialise(
      networks,
      optimizers,
      key=jax.random.key(config.seed),
      averaged=config.average_decay > 0,
      given=given,
    )

  jitted = jax.jit(
    initialise,
    out_shardings=compiled.replicated,
    compiler_options=_fast_compile_options(compiled.replicated),
  )
  planned = jax.tree.map(
    lambda x: x.update(sharding=compiled.replicated), jitted.eval_shape(given)
  )
  return Run(networks, compiled, functools.partial(jitted, given), planned)


def _fast_compile_options(where: jax.sharding.NamedSharding) -> dict[str, Any]:
  """Gives options to compile in half the time what runs only once."""
  if where.mesh.devices.flat[0].platform != 'cpu':
    return {}
  return {
    'xla_backend_optimization_level': 1,
    'xla_cpu_use_fusion_emitters': False,
  }


def _given(
  config: build.Config, networks: architecture.Networks
) -> dict[str, Any]:
  """Loads the network that a model takes from another run, if it takes one."""
  name = build.model(config).given
  if name is None:
    return {}
  folder = pathlib.Path(config.similarity)
  other = config_file.read(folder)
  theirs = build.networks(other)
  if name not in theirs.present():
    raise ValueError(
      f'config.similarity = {folder} is a run of {other.model!r}, which has no '
      f'{name}: name the folder of a gan or a vaegan'
    )
  for what, here, there in (
    (f'a {name} of', getattr(networks, name), getattr(theirs, name)),
    ('images of', networks.decoder.shape, theirs.decoder.shape),
    ('data of', config.data.source, other.data.source),
  ):
    if here != there:
      raise ValueError(
        f'config.similarity = {folder} has {what} {there}, and this run '
        f'{here}: give both runs the same config.data, config.width and '
        f'config.{name}'
      )
  step, state = checkpoints.load(folder)
  if step < other.steps:
    raise ValueError(
      f'config.similarity = {folder} is at step {step} of {other.steps}: train '
      'it to its end first'
    )
  return {name: train_state.NetworkState(**state['networks'][name]).evaluated()}
