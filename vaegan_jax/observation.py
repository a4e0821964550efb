"""Watches the metrics of a run: stops it where one is not finite, logs them."""

from __future__ import annotations

import math
import pathlib

import jax
import numpy as np
from jaxtyping import Array

from vaegan_jax import records, settings


class Diverged(FloatingPointError):
  """Reports that a loss or a gradient is not finite."""


class Observer:
  """Reads the metrics of each dispatch while the next one runs.

  So the devices never wait for the host, and a step that is not finite stops
  the run one dispatch later.
  """

  def __init__(
    self, config: settings.Config, workdir: pathlib.Path, *, step: int
  ):
    self._config = config
    self._rate = settings.schedule(config)
    self._records = records.Records(workdir, step=step, steps=config.steps)
    self._pending: tuple[int, dict[str, Array]] | None = None

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

  def _read(self, values: dict[str, float], *, step: int) -> None:
    for name, value in values.items():
      if not math.isfinite(value):
        raise Diverged(
          f'{name} is {value} at step {step}: the run stops, and its '
          'checkpoints are from before. A smaller '
          'config.optimizer.learning_rate or config.gamma may help.'
        )
    if due(step, self._config.log_every, self._config.steps):
      values['learning_rate'] = float(self._rate(step - 1))
      self._records.write(
        values,
        step=step,
        batch_size=self._config.batch_size,
        device=jax.devices()[0].device_kind,
      )

  def close(self) -> None:
    """Closes the records."""
    self._records.close()


def due(step: int, every: int, last: int) -> bool:
  """Says whether something is done after a step: every so many, and at last."""
  return step % every == 0 or step == last
