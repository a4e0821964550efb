"""Finds the state that a run resumes from, and refuses that of another run."""

from __future__ import annotations

import logging
import pathlib

from vaegan_jax import arguments
from vaegan_jax.config import build
from vaegan_jax.core import train_state
from vaegan_jax.data import cache
from vaegan_jax.runs import checkpoints, config_file, exports, records
from vaegan_jax.training import setup

_LOGGER = logging.getLogger(__name__)


def open_checkpoints(
  config: build.Config,
  workdir: pathlib.Path,
  *,
  train: cache.Dataset,
  test: cache.Dataset,
) -> checkpoints.Checkpoints:
  """Opens the checkpoints of a run; a warning tells of other test images."""
  return checkpoints.Checkpoints(
    workdir,
    identity=_identity(config_file.as_stored(workdir, config), train),
    keep=config.keep,
    keep_every=config.keep_every,
    about={exports.LIMITS: limits(train), 'test images': test.digest},
  )


def restore(
  run: setup.Run, workdir: pathlib.Path, *, saved: checkpoints.Checkpoints
) -> train_state.TrainState | None:
  """Returns the newest state, or None before the first checkpoint.

  Raises:
    ValueError: it has done more steps than the config has.
  """
  state, steps = saved.restore(run.abstract_state), run.config.steps
  if state is None:
    _warn_of_lost_rows(workdir)
  elif state.step > steps:
    raise ValueError(
      f'config.steps = {steps}: {workdir} is at step {int(state.step)} '
      'already; set as many steps as it has, or more to lengthen it'
    )
  return state


def _identity(config: build.Config, dataset: cache.Dataset) -> dict[str, str]:
  """Returns digests of the config and the data, which a checkpoint keeps."""
  return {
    'config': config_file.digest(config),
    'data': dataset.identity(),
  }


def limits(dataset: cache.Dataset) -> list[list[float]] | None:
  """Returns the range of each attribute, which a model keeps."""
  rows = dataset.attributes
  return None if rows is None else arguments.attribute_limits(rows)


def _warn_of_lost_rows(workdir: pathlib.Path) -> None:
  if lost := len(records.read_rows(workdir / records.METRICS)):
    _LOGGER.warning(
      '%s has no checkpoint yet: the run starts at step 0, and the %d rows of '
      '%s are dropped.',
      workdir,
      lost,
      records.METRICS,
    )
