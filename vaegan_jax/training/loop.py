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

from vaegan_jax import inference
from vaegan_jax.config import build, schema
from vaegan_jax.core import train_state
from vaegan_jax.data import batches, cache, sources
from vaegan_jax.distributed import parallel, preemption, processes
from vaegan_jax.files import checksums, lock
from vaegan_jax.report import run_figures
from vaegan_jax.runs import checkpoints, config_file, records
from vaegan_jax.training import goodput, monitor, setup

_LOGGER = logging.getLogger(__name__)


def train(
  config: build.Config,
  workdir: str | os.PathLike,
  *,
  devices: Sequence[jax.Device] | None = None,
  notice: preemption.Notice | None = None,
) -> pathlib.Path:
  """Trains a run to its last step, resuming it where it was left.

  If there are several processes (processes.initialize), all call this with the
  same arguments, and process 0 reads and writes the folder.

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
    monitor.Diverged: something is not finite; the checkpoints are from
      before.
    checkpoints.NotSaved: a checkpoint could not be written.
    preemption.Preempted: the process, or another of the run, was asked to end;
      the state is saved.
    processes.ProcessLost: another process of the run is gone.
  """
  workdir = pathlib.Path(workdir)
  with processes.translate_errors(), contextlib.ExitStack() as held:
    with processes.fail_together():
      config, run, source = _checked(config, workdir, devices=devices)
      if processes.is_primary():
        held.enter_context(lock.hold(workdir))
        config_file.check(workdir, config)
      train = _load(config, source, split='train')
      test = _load(config, source, split='test')
      examples = test.first(3 * run_figures.COLUMNS)
    processes.check_equal(
      jax=jax.__version__,
      config=config_file.process_digest(config),
      data=train.digest,
    )
    if processes.is_primary():
      config_file.write(workdir, config)
    notice = notice or preemption.Notice()
    state = _trained(config, run, train, examples, workdir, notice=notice)
    # Late, as importing Matplotlib takes as long as importing JAX.
    from vaegan_jax.report import run_page

    if not processes.is_primary():
      return run_page.path_in(workdir)
    model = _model(config, run, state)
    run_figures.draw_final(model, examples, workdir=workdir)
    return run_page.write(workdir)


def _checked(
  config: build.Config,
  workdir: pathlib.Path,
  *,
  devices: Sequence[jax.Device] | None,
) -> tuple[build.Config, setup.Run, sources.Source]:
  """Refuses what cannot work, and opens the rest."""
  build.check(config)
  schema.check_places(schema.flatten(config), workdir=workdir)
  source = build.source(config)
  config = build.resolve(config, source)
  return config, setup.prepare(config, devices=devices), source


def _load(
  config: build.Config, source: sources.Source, *, split: str
) -> cache.Dataset:
  """Loads a split, with the attributes that the model is conditional on."""
  directory = build.cache_directory(config)
  dataset = cache.load(source, split=split, directory=directory)
  return dataset.with_attributes(build.conditional(config))


def _trained(
  config: build.Config,
  run: setup.Run,
  dataset: cache.Dataset,
  examples: cache.Dataset,
  workdir: pathlib.Path,
  *,
  notice: preemption.Notice,
) -> train_state.TrainState:
  """Takes the newest state that was saved, and trains it to the last step."""
  saved = checkpoints.Checkpoints(
    workdir,
    identity=_identity(config, dataset),
    keep=config.keep,
    keep_every=config.keep_every,
  )
  with contextlib.closing(saved):
    state = saved.restore(run.abstract_state)
    if state is None:
      _warn_of_rows(workdir)
    elif int(state.step) == config.steps:
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


def _identity(config: build.Config, dataset: cache.Dataset) -> dict[str, str]:
  """Says what a checkpoint must be of to go on from it."""
  rows = dataset.attributes
  columns = None if rows is None else np.ascontiguousarray(rows).data
  return {
    'config': config_file.digest(config),
    'data': checksums.digest(
      [dataset.digest, columns and hashlib.sha256(columns).hexdigest()]
    ),
  }


def _warn_of_rows(workdir: pathlib.Path) -> None:
  """Says that a run which begins anew has rows of steps that are lost."""
  lost = len(records.read_rows(workdir / records.METRICS))
  if lost:
    _LOGGER.warning(
      '%s has no checkpoint yet: the run starts at step 0, and the %d rows of '
      '%s from before are dropped.',
      workdir,
      lost,
      records.METRICS,
    )


def _continue(
  config: build.Config,
  run: setup.Run,
  state: train_state.TrainState | None,
  dataset: cache.Dataset,
  examples: cache.Dataset,
  workdir: pathlib.Path,
  *,
  saved: checkpoints.Checkpoints,
  notice: preemption.Notice,
) -> train_state.TrainState:
  """Opens what the loop needs, and closes it however the loop ends."""
  start = 0 if state is None else int(state.step)
  feed = batches.Batches(
    dataset,
    seed=config.seed,
    batch_size=config.batch_size,
    sharding=run.compiled.sharded,
    resident=config.data.resident,
    stacked=config.steps_per_dispatch > 1,
  )
  timer = _timer(config, workdir, step=start)
  watch = monitor.Monitor(
    config,
    workdir,
    step=start,
    images=len(dataset.images),
    timer=timer,
    writes=processes.is_primary(),
  )

  def picture(state: train_state.TrainState) -> None:
    if processes.is_primary():
      model = _model(config, run, state)
      run_figures.draw_strips(model, examples, workdir=workdir)

  with (
    contextlib.closing(feed),
    contextlib.closing(watch),
    notice.deferred(),
  ):
    _LOGGER.info(
      'Step %d of %d. It is compiled first, which takes half a minute.',
      start,
      config.steps,
    )
    many = min(config.steps_per_dispatch, config.steps - start)
    return _loop(
      config,
      run,
      run.start(feed.planned(many), state),
      feed=feed,
      watch=watch,
      timer=timer,
      saved=saved,
      picture=picture,
      notice=notice,
    )


def _timer(
  config: build.Config, workdir: pathlib.Path, *, step: int
) -> goodput.Timer:
  """Gives a timer that knows of the starts before."""
  starts = records.read_rows(workdir / records.STARTS)
  timing = records.read_rows(workdir / records.TIMING)
  kept = [row for row in timing if row['step'] <= step]
  return goodput.Timer(
    step=step, batch_size=config.batch_size, **goodput.history(starts, kept)
  )


def _loop(
  config: build.Config,
  run: setup.Run,
  state: train_state.TrainState,
  *,
  feed: batches.Batches,
  watch: monitor.Monitor,
  timer: goodput.Timer,
  saved: checkpoints.Checkpoints,
  picture: Callable[[train_state.TrainState], None],
  notice: preemption.Notice,
) -> train_state.TrainState:
  """Runs the remaining steps; what is saved or drawn was found finite."""
  many = config.steps_per_dispatch
  exchange = processes.DelayedAllgather(
    run.compiled.sharded, run.compiled.replicated
  )
  for start in range(int(state.step), config.steps, many):
    done = min(start + many, config.steps)
    with timer.waiting(watch.idle):
      batch = feed(start, done - start)
    state, metrics = run.compiled.step(state, batch)
    watch.record(metrics, step=done)
    saved.check()
    asked, waited = exchange(np.array([notice.signum or 0, timer.waited()])).T
    timer.heard(waited)
    ends = notice.agree(int(asked.max()))
    draws = monitor.due(done, config.picture_every, config.steps)
    saves = ends or monitor.due(done, config.save_every, config.steps)
    if draws or saves:
      watch.check_state(state, step=done)
    with timer.pausing():
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
  config: build.Config, run: setup.Run, state: train_state.TrainState
) -> inference.Model:
  return inference.Model(
    run.networks,
    {n: parallel.local(s.evaluated()) for n, s in state.networks.items()},
    step=int(state.step),
    attribute_names=build.conditional(config),
  )
