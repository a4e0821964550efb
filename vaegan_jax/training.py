"""The loop: batches in, a trained state, its records and its report out."""

from __future__ import annotations

import functools
import logging
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax

from vaegan_jax import (
  checkpoints,
  inference,
  observation,
  parallel,
  records,
  settings,
)
from vaegan_jax import networks as nets
from vaegan_jax import state as states
from vaegan_jax import step as steps
from vaegan_jax.data import augmentation, batches, cache
from vaegan_jax.report import page, pictures

_LOGGER = logging.getLogger(__name__)

# What `train` raises, by the name that its callers know.
Diverged = observation.Diverged


class Run(NamedTuple):
  """What a config makes: all that the loop needs but the records.

  Attributes:
    networks: the modules, as they are evaluated: in float32.
    compiled: the step, and where its arguments belong.
    initialise: makes the state before the first step, on the devices.
  """

  networks: nets.Networks
  compiled: parallel.Compiled
  initialise: Callable[[], states.TrainState]


def prepare(
  config: settings.Config, *, devices: Sequence[jax.Device] | None = None
) -> Run:
  """Makes the step of a config, and what makes its initial state.

  Raises:
    ValueError: for settings that cannot work, before anything is compiled.
  """
  settings.check(config)
  networks = settings.networks(config)
  given = _given(config, networks)
  optimizers = settings.make_optimizers(config)
  step = steps.make(
    networks.computing(config.dtype),
    optimizers,
    objective=settings.objective(config),
    augment=augmentation.each(
      flips=config.data.flips, jitters=config.data.jitter
    ),
    equilibrium=settings.equilibrium(config),
    average_decay=config.average_decay,
  )
  compiled = parallel.compile_step(
    step,
    batch_size=config.batch_size,
    devices=devices,
    how=config.compile,
    several=config.steps_per_dispatch > 1,
  )

  def initialise(given):
    return states.initialise(
      networks,
      optimizers,
      key=jax.random.key(config.seed),
      averaged=config.average_decay > 0,
      given=given,
    )

  return Run(
    networks,
    compiled,
    functools.partial(
      jax.jit(
        initialise,
        out_shardings=compiled.replicated,
        compiler_options=_hasty(compiled.replicated),
      ),
      given,
    ),
  )


def _hasty(where: jax.sharding.NamedSharding) -> dict[str, int]:
  """Gives options to compile in a quarter of the time what runs only once."""
  on_cpu = where.mesh.devices.flat[0].platform == 'cpu'
  return {'xla_backend_optimization_level': 1} if on_cpu else {}


def _given(config: settings.Config, networks: nets.Networks) -> dict[str, Any]:
  """Loads the network that a model takes from another run, if it takes one."""
  name = settings.model(config).given
  if name is None:
    return {}
  folder = pathlib.Path(config.similarity)
  other = records.read_config(folder)
  theirs = settings.networks(other)
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
  return {name: states.NetworkState(**state['networks'][name]).evaluated()}


def train(
  config: settings.Config,
  workdir: str | os.PathLike,
  *,
  devices: Sequence[jax.Device] | None = None,
) -> pathlib.Path:
  """Trains a run to its last step, resuming it where it was left.

  Args:
    config: its settings.
    workdir: its folder, made if it does not exist.
    devices: to use; all by default.

  Returns:
    the report to open.

  Raises:
    ValueError: for settings that cannot work, or a folder that holds a run of
      other settings; nothing is changed then.
    Diverged: if a term is not finite; the checkpoints are from before.
  """
  workdir = pathlib.Path(workdir)
  settings.check(config)
  source = settings.source(config)
  config = settings.resolve(config, source)
  run = prepare(config, devices=devices)
  records.write_config(workdir, config)
  directory = settings.cache_directory(config)
  dataset, held_out = (
    cache.load(source, split=split, directory=directory).attributed(
      settings.conditional(config)
    )
    for split in ('train', 'test')
  )
  examples = held_out.first(3 * pictures.COLUMNS)

  saved = checkpoints.Checkpoints(workdir, keep=config.keep)
  state = run.initialise()
  if saved.latest() is not None:
    state = saved.restore(state)
  if int(state.step) < config.steps:
    state = _continue(config, run, state, dataset, examples, saved, workdir)
  else:
    _LOGGER.info('%s is finished: only its report is made anew.', workdir)
  saved.close()
  pictures.final(_model(config, run, state), examples, workdir=workdir)
  return page.write(workdir)


def _continue(
  config: settings.Config,
  run: Run,
  state: states.TrainState,
  dataset: cache.Dataset,
  examples: cache.Dataset,
  saved: checkpoints.Checkpoints,
  workdir: pathlib.Path,
) -> states.TrainState:
  """Opens what the loop needs, and closes it however the loop ends."""
  start = int(state.step)
  _LOGGER.info(
    'Step %d of %d. The first one is compiled, which takes half a minute.',
    start,
    config.steps,
  )
  feed = batches.Batches(
    dataset,
    seed=config.seed,
    batch_size=config.batch_size,
    sharding=run.compiled.sharded,
    resident=config.data.resident,
    stacked=config.steps_per_dispatch > 1,
  )
  observer = observation.Observer(config, workdir, step=start)

  def picture(state: states.TrainState) -> None:
    pictures.strips(_model(config, run, state), examples, workdir=workdir)

  try:
    return _loop(
      config,
      run,
      state,
      feed=feed,
      observer=observer,
      saved=saved,
      picture=picture,
    )
  finally:
    feed.close()
    observer.close()


def _loop(
  config: settings.Config,
  run: Run,
  state: states.TrainState,
  *,
  feed: batches.Batches,
  observer: observation.Observer,
  saved: checkpoints.Checkpoints,
  picture: Callable[[states.TrainState], None],
) -> states.TrainState:
  """Runs the remaining steps; what is saved or drawn was found finite."""
  many = config.steps_per_dispatch
  for start in range(int(state.step), config.steps, many):
    done = min(start + many, config.steps)
    state, metrics = run.compiled.step(state, feed(start, done - start))
    observer.observe(metrics, step=done)
    draws = observation.due(done, config.picture_every, config.steps)
    saves = observation.due(done, config.save_every, config.steps)
    if draws or saves:
      observer.catch_up()
    if draws:
      picture(state)
    if saves:
      saved.save(state, step=done)
  return state


def _model(
  config: settings.Config, run: Run, state: states.TrainState
) -> inference.Model:
  return inference.Model(
    run.networks,
    {name: n.evaluated() for name, n in state.networks.items()},
    step=int(state.step),
    attribute_names=settings.conditional(config),
  )
