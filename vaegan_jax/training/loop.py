"""Trains a run: from batches to a final state, its records and its report."""

from __future__ import annotations

import contextlib
import logging
import os
import pathlib
from collections.abc import Callable, Sequence

import jax
import numpy as np

from vaegan_jax import inference
from vaegan_jax.config import build, checks, schema
from vaegan_jax.core import train_state
from vaegan_jax.data import batches, cache, sources
from vaegan_jax.distributed import parallel, preemption, processes
from vaegan_jax.evaluation import code_statistics
from vaegan_jax.files import lock, paths
from vaegan_jax.report import run_figures
from vaegan_jax.runs import checkpoints, config_file, exports
from vaegan_jax.training import (
  final_pages,
  memory,
  monitor,
  pretrained,
  resuming,
  setup,
)

_LOGGER = logging.getLogger(__name__)


def train(
  config: build.Config,
  workdir: str | os.PathLike,
  *,
  devices: Sequence[jax.Device] | None = None,
  notice: preemption.Notice | None = None,
) -> pathlib.Path:
  """Trains a run to its last step, resuming it from its newest checkpoint.

  If there are several processes (processes.initialize), all call this with the
  same arguments, and process 0 reads and writes the folder.

  Args:
    config: the run's settings.
    workdir: its folder, made if it is missing.
    devices: the devices to use; None is all.
    notice: records the signals that ask the process to exit.

  Returns:
    the report's path.

  Raises:
    ValueError: the settings are impossible, the folder holds a run of other
      settings or data, or no checkpoint is intact; nothing is changed then.
    MemoryError: the batch does not fit into the memory of the devices.
    lock.Locked: another process trains in the folder.
    monitor.Diverged: a NaN or infinity; the checkpoints are from before.
    checkpoints.NotSaved: a checkpoint could not be written.
    preemption.Preempted: a signal asked a process of the run to exit; the state
      is saved.
    processes.ProcessLost: another process of the run has ended.
  """
  workdir = paths.absolute(workdir, name='--workdir')
  notice = notice or preemption.Notice()
  with (
    processes.translate_errors(),
    memory.explain_exhaustion(config),
    contextlib.ExitStack() as stack,
  ):
    with processes.fail_together():
      config, source = _check(config, workdir)
      run = setup.prepare(config, devices=devices)
      weights = None
      if processes.is_primary():
        if not checkpoints.exist(workdir):
          weights = pretrained.read(config, run.abstract_state)
        stack.enter_context(lock.hold(workdir))
        config_file.check(workdir, config, lengthens=True)
      names = build.conditional(config)
      everything = _load(config, source, split='train')
      dataset = everything.with_attributes(names)
      held_out = _load(config, source, split='test').with_attributes(names)
      cache.warn_of_copies(dataset, held_out)
      examples = run_figures.examples(held_out)
    processes.check_equal(
      jax=jax.__version__,
      config=config_file.process_digest(config),
      data=dataset.identity(),
    )
    if processes.is_primary():
      config_file.write(workdir, config, lengthens=True)

    def draw(state: train_state.TrainState) -> None:
      if processes.is_primary():
        model = inference.Model(_export(run, state, dataset))
        run_figures.draw_strips(model, examples, workdir=workdir)

    saved = resuming.open_checkpoints(
      config, workdir, train=dataset, test=held_out
    )
    state = _resume(
      run,
      dataset,
      workdir,
      saved=saved,
      weights=weights,
      draw=draw,
      notice=notice,
    )
    if not processes.is_primary():
      return final_pages.path_in(workdir)
    export = code_statistics.complete(_export(run, state, dataset), everything)
    exports.write_codes(workdir, export)
    return final_pages.write(export, held_out, workdir=workdir)


def _check(
  config: build.Config, workdir: pathlib.Path
) -> tuple[build.Config, sources.Source]:
  """Refuses impossible settings; returns complete ones and the source."""
  checks.check(config)
  config = schema.with_absolute_paths(config)
  checks.check_folders(config, workdir=workdir)
  source = build.source(config)
  return build.resolve(config, source), source


def _load(
  config: build.Config, source: sources.Source, *, split: str
) -> cache.Dataset:
  directory = build.cache_directory(config)
  return cache.load(source, split=split, directory=directory)


def _resume(
  run: setup.Run,
  dataset: cache.Dataset,
  workdir: pathlib.Path,
  *,
  saved: checkpoints.Checkpoints,
  weights: pretrained.Weights | None,
  draw: Callable[[train_state.TrainState], None],
  notice: preemption.Notice,
) -> train_state.TrainState:
  """Trains from the newest checkpoint, if there is one, to the last step."""
  config = run.config
  with contextlib.ExitStack() as stack:
    stack.enter_context(contextlib.closing(saved))
    state = resuming.restore(run, workdir, saved=saved)
    step = 0 if state is None else int(state.step)
    if state is not None and step == config.steps:
      _LOGGER.info('%s is finished: only its report is written.', workdir)
      return state
    if processes.is_primary():
      monitor.log_lengthening(config, workdir, step=step)
    feed = _feed(run, dataset)
    stack.enter_context(contextlib.closing(feed))
    watch = monitor.Monitor(
      config,
      workdir,
      step=step,
      images=len(dataset.images),
      origins=weights.origins if weights else [],
    )
    stack.enter_context(contextlib.closing(watch))
    stack.enter_context(notice.deferred())
    _LOGGER.info(
      'Step %d of %d on %d %s. Compiling takes half a minute.',
      step,
      config.steps,
      run.compiled.sharded.mesh.size,
      jax.devices()[0].device_kind,
    )
    begins = state is None and pretrained.is_needed(config)
    state = run.start(feed.planned(_stop(step, config) - step), state)
    if begins:
      state = pretrained.adopt(state, weights)
    return _loop(
      run,
      state,
      feed=feed,
      watch=watch,
      saved=saved,
      draw=draw,
      notice=notice,
    )


def _stop(step: int, config: build.Config) -> int:
  """Returns the last step of the dispatch after a step.

  Dispatches end at multiples of config.steps_per_dispatch, also after the end
  of a run that was lengthened.
  """
  size = config.steps_per_dispatch
  return min(step - step % size + size, config.steps)


def _feed(run: setup.Run, dataset: cache.Dataset) -> batches.Batches:
  config = run.config
  return batches.Batches(
    dataset,
    seed=config.seed,
    batch_size=config.batch_size,
    sharding=run.compiled.sharded,
    resident=config.data.resident,
    stacked=config.steps_per_dispatch > 1,
  )


def _loop(
  run: setup.Run,
  state: train_state.TrainState,
  *,
  feed: batches.Batches,
  watch: monitor.Monitor,
  saved: checkpoints.Checkpoints,
  draw: Callable[[train_state.TrainState], None],
  notice: preemption.Notice,
) -> train_state.TrainState:
  """Runs the remaining steps; checks each state before it is saved or drawn."""
  config = run.config
  allgather = processes.DelayedAllgather(
    run.compiled.sharded, run.compiled.replicated
  )
  timer, last = watch.timer, config.steps
  step = int(state.step)
  while step < last:
    start, step = step, _stop(step, config)
    with timer.batch(watch.is_idle):
      batch = feed(start, step - start)
    state, metrics = run.compiled.step(state, batch)
    watch.record(metrics, step=step)
    saved.check()
    numbers = np.array([notice.signum or 0, timer.pop_wait()])
    signums, waits = allgather(numbers).T
    timer.add_host_waits(waits)
    stops = notice.agree(int(signums.max()))
    draws = monitor.is_due(step, config.picture_every, last=last)
    saves = stops or monitor.is_due(step, config.save_every, last=last)
    if draws or saves:
      watch.check_state(state, step=step)
    with timer.pause():
      if draws:
        draw(state)
      if saves:
        saved.save(state, step=step)
    if stops:
      saved.wait()  # within `notice.deferred`
      _LOGGER.warning(
        'A signal stops the run: step %d is saved, and the same command '
        'resumes from it.',
        step,
      )
      break
  return state


def _export(
  run: setup.Run, state: train_state.TrainState, dataset: cache.Dataset
) -> exports.Export:
  variables = {
    name: parallel.local(network.evaluated())
    for name, network in state.networks.items()
  }
  return exports.Export(
    run.config, variables, int(state.step), resuming.limits(dataset)
  )
