"""Watches a run: logs its metrics, warns of collapse, stops it on a NaN.

A NaN or infinity stops a run, since nothing after it can be trusted. A collapse
with finite numbers only logs a warning.
"""

from __future__ import annotations

import logging
import math
import pathlib
import time
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Array

from vaegan_jax.config import build, schema
from vaegan_jax.core import metrics, train_state
from vaegan_jax.data import batches
from vaegan_jax.distributed import processes, replicas
from vaegan_jax.runs import collapse, provenance, records
from vaegan_jax.training import goodput

_LOGGER = logging.getLogger(__name__)

# How many images of a batch an error message lists.
_LISTED_IMAGES = 64

_PRECISION = 'jax_default_matmul_precision'

_ADVICE = 'A smaller config.optimizer.learning_rate or config.gamma may help.'


class Diverged(FloatingPointError):
  """Reports a NaN or infinity in a loss, a gradient or the state."""


class Monitor:
  """Reads the metrics of each dispatch while the next one runs.

  The devices never wait for the host; a NaN stops the run one dispatch later.
  Only the primary process writes records and warnings, but all processes stop.

  Args:
    config: the run's settings.
    workdir: its folder.
    step: the steps done.
    images: the number of training images.
    origins: where the weights come from that the run starts from, as in
      pretrained.Weights.

  Attributes:
    timer: measures this start of the run.
  """

  def __init__(
    self,
    config: build.Config,
    workdir: pathlib.Path,
    *,
    step: int,
    images: int,
    origins: Sequence[Mapping[str, Any]] = (),
  ):
    self._config = config
    self._workdir = workdir
    self._images = images
    self._schedule = jax.jit(build.schedule(config))
    self.timer = _timer(config, workdir, step=step)
    self._records: records.Records | None = None
    self._rows: list[Mapping[str, Any]] = []
    if processes.is_primary():
      self._records = _open_records(config, workdir, step=step, origins=origins)
      self._rows = collapse.relevant(
        records.read_rows(workdir / records.METRICS)
      )
    self._pending: tuple[int, dict[str, Array]] | None = None
    self._warned: set[str] = set()
    self._checked_step = step

  def record(self, values: dict[str, Array], *, step: int) -> None:
    """Takes the metrics of a dispatch, and reads those of the previous one.

    Args:
      values: a scalar for each metric, or an array with one for each step.
      step: the last of these steps, counted from 1.

    Raises:
      Diverged: with the name of the metric, the step and its images.
    """
    self.flush()
    self._pending = step, values

  def is_idle(self) -> bool:
    """Returns whether the devices have finished the last dispatch."""
    return self._pending is None or all(
      x.is_ready()  # type: ignore[attr-defined]  # the stubs lack it
      for x in self._pending[1].values()
    )

  def flush(self) -> None:
    """Reads the last metrics, and waits for the devices if necessary.

    Raises:
      Diverged: as in `record`.
    """
    if self._pending is None:
      return
    (last, values), self._pending = self._pending, None
    columns = {name: np.ravel(x) for name, x in jax.device_get(values).items()}
    count = max(map(len, columns.values()))
    self.timer.advance(count)
    if self._records is not None:
      self._records.advance(count)
    for i in range(count):
      row = {name: column[i].item() for name, column in columns.items()}
      self._log(row, step=last - count + 1 + i)

  def check_state(self, state: train_state.TrainState, *, step: int) -> None:
    """Refuses a state with a NaN or infinity; waits for the devices.

    Must be called before a state is saved, as the losses do not show every
    fault. The rows of all steps done are on disk afterwards.

    Raises:
      Diverged: with the networks, their parts and the images of the batch; or
        with the devices whose copies of the state differ from the others.
    """
    self.flush()
    if devices := replicas.differing(state):
      raise Diverged(
        f'after step {step} the state on device '
        f'{", ".join(map(str, devices))} differs from that on most of '
        f'{jax.device_count()} devices, which should be equal: it is not '
        'saved. The device or its memory is faulty: start again without it'
      )
    if parts := train_state.not_finite(state):
      raise Diverged(
        f'{", ".join(parts)}: NaN or infinity after step {step}, though the '
        f'losses of all steps since {self._checked_step} are finite. The state '
        f'is not saved. {_ADVICE} {self._describe_batch(step)}'
      )
    self._checked_step = step
    if self._records is not None:
      self._records.sync()

  def close(self) -> None:
    """Closes the records."""
    if self._records is not None:
      self._records.close()

  def _log(self, row: dict[str, float], *, step: int) -> None:
    """Stops the run on a NaN or infinity, and writes the row if it is due."""
    if broken := [name for name, x in row.items() if not math.isfinite(x)]:
      first, *others = broken
      also = f' (also {", ".join(others)})' if others else ''
      raise Diverged(
        f'{first} is {row[first]} at step {step}{also}: the run stops; its '
        f'checkpoints are from before. {_ADVICE} {self._describe_batch(step)}'
      )
    due = is_due(step, self._config.log_every, last=self._config.steps)
    if due and self._records is not None:
      row[metrics.LEARNING_RATE.name] = float(self._schedule(step - 1))
      device = jax.devices()[0].device_kind
      timing = {**self.timer.row(step), 'device': device}
      self._records.write(row, timing=timing)
      self._warn({'step': step, **row})

  def _warn(self, row: dict[str, float]) -> None:
    """Logs each sign of collapse once, when it first appears."""
    self._rows = collapse.relevant([*self._rows, row])
    for found in collapse.find(self._rows, latent=self._config.latent_size):
      if found.name not in self._warned:
        self._warned.add(found.name)
        _LOGGER.warning('Step %d: %s', row['step'], found)

  def _describe_batch(self, step: int) -> str:
    """Describes which images a step was trained on, and how to load them."""
    size = self._config.batch_size
    rows = batches.indices(
      seed=self._config.seed,
      step=step - 1,
      batch_size=size,
      length=self._images,
    )[:_LISTED_IMAGES].tolist()
    which = f'the first {len(rows)} of {size}' if len(rows) < size else 'all'
    return (
      f'The batch of step {step} has the training images at {rows} ({which}, '
      'counted from 0). To load them: config = '
      f'config_file.read({str(self._workdir)!r}); cache.load('
      "build.source(config), split='train', directory="
      'build.cache_directory(config)).images[...]'
    )


def _timer(
  config: build.Config, workdir: pathlib.Path, *, step: int
) -> goodput.Timer:
  """Returns a timer that adds to the earlier starts of the run."""
  starts = records.read_rows(workdir / records.STARTS)
  timing = records.read_rows(workdir / records.TIMING)
  kept = [row for row in timing if row['step'] <= step]
  return goodput.Timer(
    step=step, batch_size=config.batch_size, **goodput.history(starts, kept)
  )


def _open_records(
  config: build.Config,
  workdir: pathlib.Path,
  *,
  step: int,
  origins: Sequence[Mapping[str, Any]],
) -> records.Records:
  start = {
    'time': round(time.time(), 3),
    'processes': jax.process_count(),
    'devices': jax.device_count(),
    'device': jax.devices()[0].device_kind,
    'jax': jax.__version__,
    'matmul_precision': getattr(jax.config, _PRECISION) or 'default',
    **provenance.read(),
    **({'weights': [*origins]} if origins else {}),
  }
  return records.Records(workdir, step=step, steps=config.steps, start=start)


def is_due(step: int, every: int, *, last: int) -> bool:
  """Returns whether to act after a step: after each `every`, and the last."""
  return step % every == 0 or step == last


def log_lengthening(
  config: build.Config, workdir: pathlib.Path, *, step: int
) -> None:
  """Logs that a run gets more steps, and what its learning rate does."""
  starts = records.read_rows(workdir / records.STARTS)
  this = {'step': step, 'steps': config.steps}
  for _, before, _ in records.lengthenings([*starts[-1:], this]):
    former = build.schedule(schema.change(config, {'steps': before}))
    _LOGGER.info(
      '%s is lengthened from %d to %d steps. From step %d on, the learning '
      'rate is that of a run of %d steps: %.3g, after %.3g at step %d.',
      workdir,
      before,
      config.steps,
      step + 1,
      config.steps,
      build.schedule(config)(step),
      former(step - 1),
      step,
    )
