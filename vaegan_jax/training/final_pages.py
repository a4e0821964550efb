"""The pages of a run: its report, and the page that explores its model."""

from __future__ import annotations

import pathlib

from vaegan_jax import inference
from vaegan_jax.config import schema
from vaegan_jax.data import cache
from vaegan_jax.distributed import processes
from vaegan_jax.evaluation import code_statistics
from vaegan_jax.report import run_figures

_ENCODED = 2_000  # training images for the fitted prior and the vectors


def write(
  model: inference.Model,
  config: schema.Config,
  *,
  train: cache.Dataset,
  test: cache.Dataset,
  workdir: pathlib.Path,
) -> pathlib.Path:
  """Draws the final pictures of a run, and writes its pages, in process 0.

  Args:
    model: of its newest state; gets a fitted prior and attribute vectors.
    config: its settings.
    train: its training images, with all attributes of the data.
    test: held-out images, likewise.
    workdir: its folder.

  Returns:
    the path of the report.
  """
  # Imported here, as Matplotlib takes as long to import as JAX.
  from vaegan_jax.report import explore_page, run_page

  if not processes.is_primary():
    return run_page.path_in(workdir)
  if model.encodes:
    code_statistics.attach(model, train.take(train.spread(_ENCODED)))
  held_out = run_figures.examples(test.with_attributes(model.attribute_names))
  run_figures.draw_final(model, held_out, workdir=workdir)
  explore_page.write(
    explore_page.path_in(workdir),
    model,
    schema.flatten(config),
    held_out=held_out,
  )
  return run_page.write(workdir)
