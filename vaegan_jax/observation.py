"""Watches a run: logs its metrics, warns of collapse, stops it if it diverged.

What is not finite stops a run, as nothing that follows can be trusted. What is
finite but has collapsed is only warned of.
"""

from __future__ import annotations

import logging
import math
import pathlib
from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import Array

from vaegan_jax import collapse, records, settings
from vaegan_jax import state as states
from vaegan_jax.data import batches

_LOGGER = logging.getLogger(__name__)

# Images of a batch that a message names.
_NAMED = 64


class Diverged(FloatingPointError):
  """Reports that a loss, a gradient or a part of the state is not finite."""


class Observer:
  """Reads the metrics of each dispatch while the next one runs.

  So the devices never wait for the host, and a step that is not finite stops
  the run one dispatch later.
  """

  def __init__(
    self,
    config: settings.Config,
    workdir: pathlib.Path,
    *,
    step: int,
    images: int,
  ):
    """Opens the records.

    Args:
      config: of the run.
      workdir: its folder.
      step: the steps done.
      images: how many there are to train on.
    """
    self._config = config
    self._workdir = workdir
    self._images = images
    self._rate = settings.schedule(config)
    self._records = records.Records(workdir, step=step, steps=config.steps)
    self._pending: tuple[int, dict[str, Array]] | None = None
    self._rows = collapse.relevant(records.read_rows(workdir / records.METRICS))
    self._warned: set[str] = set()
    self._approved = step

  def observe(self, metrics: dict[str, Array], *, step: int) -> None:
    """Takes a dispatch's metrics, and reads those of the one before.

    Args:
      metrics: a number each, or a row of them, one a step.
      step: the last of these steps, counted from 1.
    """
    self.catch_up()
    self._pending = step, metrics

  def catch_up(self) -> None:
    """Reads what was taken last; waits for the devices if they are not done."""
    if self._pending is None:
      return
    (done, metrics), self._pending = self._pending, None
    rows = {name: np.ravel(x) for name, x in jax.device_get(metrics).items()}
    count = max(map(len, rows.values()))
    self._records.advance(count)
    for i in range(count):
      values = {name: row[i].item() for name, row in rows.items()}
      self._read(values, step=done - count + 1 + i)

  def approve(self, state: states.TrainState, *, step: int) -> None:
    """Refuses a state that is not finite; waits for the devices.

    To be called before a state is saved: not every fault shows in the losses.
    The rows of all steps done are on disk then.

    Args:
      state: of the run.
      step: the steps done.

    Raises:
      Diverged: naming the networks, the parts of them, and the batch.
    """
    self.catch_up()
    parts = states.not_finite(state)
    if parts:
      raise Diverged(
        f'{_listed(parts)} not finite after step {step}, though the losses of '
        f'all steps since {self._approved} are: no checkpoint is made of it. '
        f'{_ADVICE} {self._batch(step)}'
      )
    self._approved = step
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
    if due(step, self._config.log_every, self._config.steps):
      values['learning_rate'] = float(self._rate(step - 1))
      self._records.write(
        values,
        step=step,
        batch_size=self._config.batch_size,
        device=jax.devices()[0].device_kind,
      )
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
      f'records.read_config({str(self._workdir)!r}); cache.load('
      "settings.source(config), split='train', directory="
      'settings.cache_directory(config)).images[...]'
    )

  def close(self) -> None:
    """Closes the records."""
    self._records.close()


_ADVICE = 'A smaller config.optimizer.learning_rate or config.gamma may help.'


def _listed(names: Sequence[str]) -> str:
  return f'{", ".join(names)} {"is" if len(names) == 1 else "are"}'


def due(step: int, every: int, last: int) -> bool:
  """Says whether something is done after a step: every so many, and at last."""
  return step % every == 0 or step == last
