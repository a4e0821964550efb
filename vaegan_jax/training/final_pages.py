"""The pages of a run: its report, and the page that explores its model."""

from __future__ import annotations

import pathlib

from vaegan_jax import inference
from vaegan_jax.config import schema
from vaegan_jax.data import cache
from vaegan_jax.report import run_figures
from vaegan_jax.runs import exports


def path_in(workdir: pathlib.Path) -> pathlib.Path:
  """Returns the path of a run's report, written or not."""
  # Imported here, as Matplotlib takes as long to import as JAX.
  from vaegan_jax.report import run_page

  return run_page.path_in(workdir)


def write(
  export: exports.Export,
  held_out: cache.Dataset,
  *,
  workdir: pathlib.Path,
  refresh: int | None = None,
) -> pathlib.Path:
  """Draws the final pictures of a run, and writes its pages.

  Args:
    export: of its newest state, with what is known of its codes.
    held_out: images, with the attributes of a conditional model.
    workdir: its folder.
    refresh: as in `run_page.write`.

  Returns:
    the path of the report.
  """
  from vaegan_jax.report import explore_page, run_page

  model = inference.Model(export)
  shown = run_figures.examples(held_out)
  run_figures.draw_final(model, shown, workdir=workdir)
  explore_page.write(
    explore_page.path_in(workdir),
    model,
    schema.flatten(export.config),
    held_out=shown,
  )
  return run_page.write(workdir, refresh=refresh)
