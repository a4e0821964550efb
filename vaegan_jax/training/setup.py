"""Builds the compiled step and the initial state of a config."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent import futures
from typing import Any, NamedTuple

import jax
import optax

from vaegan_jax.config import build, checks
from vaegan_jax.core import architecture, augmentation, train_state, train_step
from vaegan_jax.data import batches
from vaegan_jax.distributed import parallel


class Run(NamedTuple):
  """What the training loop needs from a config.

  Attributes:
    config: the run's settings.
    networks: the modules in float32, as they are evaluated.
    compiled: the step, and the shardings of its arguments.
    initialise: returns the state before the first step, on the devices.
    abstract_state: the shapes, types and shardings of a state.
  """

  config: build.Config
  networks: architecture.Networks
  compiled: parallel.Compiled
  initialise: Callable[[], train_state.TrainState]
  abstract_state: train_state.TrainState

  def start(
    self, batch: batches.Batch, state: train_state.TrainState | None = None
  ) -> train_state.TrainState:
    """Compiles the step, and makes the initial state in parallel.

    Args:
      batch: the shapes, types and shardings of a batch.
      state: a restored state, which replaces the initial one.

    Returns:
      the state to start from.
    """
    if state is not None:
      self.compiled.lower(self.abstract_state, batch)()
      return state
    with futures.ThreadPoolExecutor(1, 'initialise') as thread:
      made = thread.submit(self.initialise)
      self.compiled.lower(self.abstract_state, batch)()
    return made.result()


def prepare(
  config: build.Config, *, devices: Sequence[jax.Device] | None = None
) -> Run:
  """Builds the step of a config and the function that makes its state.

  Nothing is compiled yet.

  Raises:
    ValueError: the settings are impossible.
  """
  checks.check(config)
  networks = build.networks(config)
  optimizers = build.make_optimizers(config)
  compiled = _compile_step(config, networks, optimizers, devices=devices)

  def initialise():
    return train_state.initialise(
      networks,
      optimizers,
      key=jax.random.key(config.seed),
      averaged=config.average_decay > 0,
    )

  jitted = jax.jit(
    initialise,
    out_shardings=compiled.replicated,
    compiler_options=_fast_compile_options(compiled.replicated),
  )
  abstract_state = jax.tree.map(
    lambda x: x.update(sharding=compiled.replicated),
    jitted.eval_shape(),
  )
  return Run(
    config,
    networks,
    compiled,
    initialise=jitted,
    abstract_state=abstract_state,
  )


def _compile_step(
  config: build.Config,
  networks: architecture.Networks,
  optimizers: Mapping[str, optax.GradientTransformation],
  *,
  devices: Sequence[jax.Device] | None,
) -> parallel.Compiled:
  axis_name = parallel.AXIS_NAME if config.compile == 'pmap' else None
  step = train_step.TrainStep(
    networks.with_dtype(config.dtype).with_axis_name(axis_name),
    optimizers,
    objective=build.objective(config),
    augment=augmentation.make_augment(
      flips=config.data.flips, jitters=config.data.jitter
    ),
    equilibrium=build.equilibrium(config),
    average_decay=config.average_decay,
    average_ramps=not config.init_from,
    recompute=config.recompute,
  )
  return parallel.compile_step(
    parallel.over_axis(step, axis_name) if axis_name else step,
    batch_size=config.batch_size,
    devices=devices,
    how=config.compile,
    several=config.steps_per_dispatch > 1,
  )


def _fast_compile_options(
  sharding: jax.sharding.NamedSharding,
) -> dict[str, Any]:
  """Halves the time to compile a program that runs once on CPUs."""
  if sharding.mesh.devices.flat[0].platform != 'cpu':
    return {}
  options: dict[str, Any] = {'xla_backend_optimization_level': 1}
  if jax.__version_info__ < (0, 11):  # later versions have no such choice
    options['xla_cpu_use_fusion_emitters'] = False
  return options
