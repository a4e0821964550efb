"""Watches a run: logs its metrics, warns of collapse, stops it if it diverged.

What is not finite stops a run, as nothing that follows can be trusted. What is
finite but has collapsed is only warned of.
"""

from __future__ import annotations

import logging
import math
import pathlib
import time
from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Array

from vaegan_jax.config import build
from vaegan_jax.core import metrics, train_state
from vaegan_jax.data import batches
from vaegan_jax.runs import collapse, records
from vaegan_jax.training import goodput

_LOGGER = logging.getLogger(__name__)

# Images of a batch that a message names.
_NAMED = 64


class Diverged(FloatingPointError):
  """Reports that a loss, a gradient or a part of the state is not finite."""


class Monitor:
  """Reads the metrics of each dispatch while the next one runs.

  So the devices never wait for the host, and a step that is not finite stops
  the run one dispatch later.
  """

  def __init__(
    self,
    config: build.Config,
    workdir: pathlib.Path,
    *,
    step: int,
    images: int,
    timer: goodput.Timer,
    writes: bool = True,
  ):
    """Opens the records.

    Args:
      config: of the run.
      workdir: its folder.
      step: the steps done.
      images: how many there are to train on.
      timer: of this start.
      writes: whether it keeps records and warns of collapse, which one process
        of a run does; it stops what diverged in any case.
    """
    self._config = config
    self._workdir = workdir
    self._images = images
    self._rate = jax.jit(build.schedule(config))
    self._timer = timer
    self._records = _open(workdir, config, step=step) if writes else None
    self._pending: tuple[int, dict[str, Array]] | None = None
    rows = records.read_rows(workdir / records.METRICS) if writes else []
    self._rows = collapse.relevant(rows)
    self._warned: set[str] = set()
    self._approved = step

  def record(self, metrics: dict[str, Array], *, step: int) -> None:
    """Takes a dispatch's metrics, and reads those of the one before.

    Args:
      metrics: a number each, or a row of them, one a step.
      step: the last of these steps, counted from 1.
    """
    self.flush()
    self._pending = step, metrics

  def idle(self) -> bool:
    """Says whether the devices are through with what was taken last."""
    return self._pending is None or all(
      x.is_ready()  # type: ignore[attr-defined]  # the stubs lack it
      for x in self._pending[1].values()
    )

  def flush(self) -> None:
    """Reads what was taken last; waits for the devices if they are not done."""
    if self._pending is None:
      return
    (done, metrics), self._pending = self._pending, None
    rows = {name: np.ravel(x) for name, x in jax.device_get(metrics).items()}
    count = max(map(len, rows.values()))
    self._timer.advance(count)
    if self._records is not None:
      self._records.advance(count)
    for i in range(count):
      values = {name: row[i].item() for name, row in rows.items()}
      self._read(values, step=done - count + 1 + i)

  def check_state(self, state: train_state.TrainState, *, step: int) -> None:
    """Refuses a state that is not finite; waits for the devices.

    To be called before a state is saved: not every fault shows in the losses.
    The rows of all steps done are on disk then.

    Args:
      state: of the run.
      step: the steps done.

    Raises:
      Diverged: naming the networks, the parts of them, and the batch; or the
        devices whose copies of the state are not those of the others.
    """
    self.flush()
    if devices := train_state.devices_apart(state):
      raise Diverged(
        f'after step {step} the state on device '
        f'{", ".join(map(str, devices))} differs '
        f'from that on most of {jax.device_count()}, though all do the same: '
        'no checkpoint is made of it. A device computes wrongly, or its memory '
        'is faulty: start again without it'
      )
    parts = train_state.not_finite(state)
    if parts:
      raise Diverged(
        f'{_listed(parts)} not finite after step {step}, though the losses of '
        f'all steps since {self._approved} are: no checkpoint is made of it. '
        f'{_ADVICE} {self._batch(step)}'
      )
    self._approved = step
    if self._records is not None:
      self._records.sync()

  def _read(self, values: dict[str, float], *, step: int) -> None:
    broken = [name for name, x in values.items() if not math.isfinite(x)]
    if broken:
      first, *others = broken
      too = f', {_listed(others)} not finite either' if others else ''
      raise Diverged(
        f'{first} is {values[first]} at step {step}{too}: the run stops, and '
        f'its checkpoints are from before. {_ADVICE} {self._batch(step)}'
      )
    logs = due(step, self._config.log_every, self._config.steps)
    if logs and self._records is not None:
      values[metrics.LEARNING_RATE.name] = float(self._rate(step - 1))
      device = jax.devices()[0].device_kind
      timing = {**self._timer.row(step), 'device': device}
      self._records.write(values, timing=timing)
      self._warn({'step': step, **values})

  def _warn(self, row: dict[str, float]) -> None:
    """Logs each sign of collapse once, when it first appears."""
    self._rows = collapse.relevant([*self._rows, row])
    for found in collapse.find(self._rows, latent=self._config.latent_size):
      if found.name not in self._warned:
        self._warned.add(found.name)
        _LOGGER.warning('Step %d: %s', row['step'], found)

  def _batch(self, step: int) -> str:
    """Says which images a step saw, and how to look at them."""
    size = self._config.batch_size
    rows = batches.indices(
      seed=self._config.seed,
      step=step - 1,
      batch_size=size,
      length=self._images,
    )[:_NAMED].tolist()
    which = f'all {size}' if size <= _NAMED else f'the first {_NAMED} of {size}'
    return (
      f'The batch of step {step} is read from the training images at {rows} '
      f'({which}, counted from 0). To look at them: config = '
      f'config_file.read({str(self._workdir)!r}); cache.load('
      "build.source(config), split='train', directory="
      'build.cache_directory(config)).images[...]'
    )

  def close(self) -> None:
    """Closes the records."""
    if self._records is not None:
      self._records.close()


def _open(
  workdir: pathlib.Path, config: build.Config, *, step: int
) -> records.Records:
  start = {
    'time': round(time.time(), 3),
    'processes': jax.process_count(),
    'devices': jax.device_count(),
    'device': jax.devices()[0].device_kind,
    'jax': jax.__version__,
  }
  return records.Records(workdir, step=step, steps=config.steps, start=start)


_ADVICE = 'A smaller config.optimizer.learning_rate or config.gamma may help.'


def _listed(names: Sequence[str]) -> str:
  return f'{", ".join(names)} {"is" if len(names) == 1 else "are"}'


def due(step: int, every: int, last: int) -> bool:
  """Says whether something is done after a step: every so many, and at last."""
  return step % every == 0 or step == last
