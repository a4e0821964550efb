"""The loop: batches in, a trained state, its records and its report out."""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import pathlib
from collections.abc import Callable, Sequence

import jax
import numpy as np

from vaegan_jax import (
  checkpoints,
  inference,
  limits,
  lock,
  manifest,
  observation,
  preemption,
  preparation,
  records,
  settings,
)
from vaegan_jax import state as states
from vaegan_jax.data import batches, cache
from vaegan_jax.report import page, pictures

_LOGGER = logging.getLogger(__name__)


def train(
  config: settings.Config,
  workdir: str | os.PathLike,
  *,
  devices: Sequence[jax.Device] | None = None,
  notice: preemption.Notice | None = None,
) -> pathlib.Path:
  """Trains a run to its last step, resuming it where it was left.

  Args:
    config: its settings.
    workdir: its folder, made if it does not exist.
    devices: to use; all by default.
    notice: says when the process must end.

  Returns:
    the report to open.

  Raises:
    ValueError: for settings that cannot work, a folder that holds a run of
      other settings or of other data, or checkpoints none of which is whole;
      nothing is changed then.
    lock.Locked: another process trains there.
    observation.Diverged: something is not finite; the checkpoints are from
      before.
    checkpoints.NotSaved: a checkpoint could not be written.
    preemption.Preempted: the process was asked to end; the state is saved.
  """
  workdir = pathlib.Path(workdir)
  settings.check(config)
  limits.check_places(records.flatten(config), workdir=workdir)
  source = settings.source(config)
  config = settings.resolve(config, source)
  run = preparation.prepare(config, devices=devices)
  with lock.hold(workdir):
    records.check_config(workdir, config)
    train, test = (
      cache.load(
        source, split=split, directory=settings.cache_directory(config)
      ).attributed(settings.conditional(config))
      for split in ('train', 'test')
    )
    examples = test.first(3 * pictures.COLUMNS)
    records.write_config(workdir, config)
    notice = notice or preemption.Notice()
    state = _trained(config, run, train, examples, workdir, notice=notice)
    pictures.final(_model(config, run, state), examples, workdir=workdir)
    return page.write(workdir)


def _trained(
  config: settings.Config,
  run: preparation.Run,
  dataset: cache.Dataset,
  examples: cache.Dataset,
  workdir: pathlib.Path,
  *,
  notice: preemption.Notice,
) -> states.TrainState:
  """Takes the newest state that was saved, and trains it to the last step."""
  saved = checkpoints.Checkpoints(
    workdir,
    about=_about(config, dataset),
    keep=config.keep,
    keep_every=config.keep_every,
  )
  with contextlib.closing(saved):
    state = _restore(run, saved, workdir)
    if int(state.step) == config.steps:
      _LOGGER.info('%s is finished: only its report is made anew.', workdir)
      return state
    return _continue(
      config,
      run,
      state,
      dataset,
      examples,
      workdir,
      saved=saved,
      notice=notice,
    )


def _about(config: settings.Config, dataset: cache.Dataset) -> dict[str, str]:
  """Says what a checkpoint must be of to go on from it."""
  rows = dataset.attributes
  columns = None if rows is None else np.ascontiguousarray(rows).data
  return {
    'config': records.digest(config),
    'data': manifest.digest(
      [dataset.digest, columns and hashlib.sha256(columns).hexdigest()]
    ),
  }


def _restore(
  run: preparation.Run, saved: checkpoints.Checkpoints, workdir: pathlib.Path
) -> states.TrainState:
  """Gives the newest state that was saved, or the one before the first step."""
  initial = run.initialise()
  restored = saved.restore(initial)
  if restored is not None:
    return restored
  lost = len(records.read_rows(workdir / records.METRICS))
  if lost:
    _LOGGER.warning(
      '%s has no checkpoint yet: the run starts at step 0, and the %d rows of '
      '%s from before are dropped.',
      workdir,
      lost,
      records.METRICS,
    )
  return initial


def _continue(
  config: settings.Config,
  run: preparation.Run,
  state: states.TrainState,
  dataset: cache.Dataset,
  examples: cache.Dataset,
  workdir: pathlib.Path,
  *,
  saved: checkpoints.Checkpoints,
  notice: preemption.Notice,
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
  observer = observation.Observer(
    config, workdir, step=start, images=len(dataset.images)
  )

  def picture(state: states.TrainState) -> None:
    pictures.strips(_model(config, run, state), examples, workdir=workdir)

  with (
    contextlib.closing(feed),
    contextlib.closing(observer),
    notice.deferred(),
  ):
    return _loop(
      config,
      run,
      state,
      feed=feed,
      observer=observer,
      saved=saved,
      picture=picture,
      notice=notice,
    )


def _loop(
  config: settings.Config,
  run: preparation.Run,
  state: states.TrainState,
  *,
  feed: batches.Batches,
  observer: observation.Observer,
  saved: checkpoints.Checkpoints,
  picture: Callable[[states.TrainState], None],
  notice: preemption.Notice,
) -> states.TrainState:
  """Runs the remaining steps; what is saved or drawn was found finite."""
  many = config.steps_per_dispatch
  for start in range(int(state.step), config.steps, many):
    done = min(start + many, config.steps)
    state, metrics = run.compiled.step(state, feed(start, done - start))
    observer.observe(metrics, step=done)
    saved.check()
    ends = notice.given is not None
    draws = observation.due(done, config.picture_every, config.steps)
    saves = ends or observation.due(done, config.save_every, config.steps)
    if draws or saves:
      observer.approve(state, step=done)
    if draws:
      picture(state)
    if saves:
      saved.save(state, step=done)
    if ends:
      _LOGGER.warning(
        'Asked to end: step %d is saved, and the same command goes on from it.',
        done,
      )
      break
  return state


def _model(
  config: settings.Config, run: preparation.Run, state: states.TrainState
) -> inference.Model:
  return inference.Model(
    run.networks,
    {name: n.evaluated() for name, n in state.networks.items()},
    step=int(state.step),
    attribute_names=settings.conditional(config),
  )
