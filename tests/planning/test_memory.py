"""The memory and the size of the compiled step."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import reference
from tests import small
from vaegan_jax.data import batches
from vaegan_jax.training import setup

BATCH, SHAPE = 8, (16, 16, 3)


def config(**changes):
  """Returns a config with one strided layer in each network."""
  return small.config(
    encoder__channels=(8,),
    decoder__channels=(8, 8),
    discriminator__channels=(8, 8),
    discriminator__layer=1,
    **changes,
  )


@functools.cache
def traced():
  """Returns the traced step and the shapes of its state."""
  run = setup.prepare(config())
  state = run.abstract_state
  batch = batches.Batch(jax.ShapeDtypeStruct((BATCH, *SHAPE), jnp.uint8), None)
  return run.compiled.step.trace(state, batch), state


def test_the_step_reuses_the_memory_of_its_state():
  step, state = traced()
  memory = step.lower().compile().memory_analysis()
  needed = sum(
    x.size * x.dtype.itemsize for x in jax.tree.leaves(state.networks)
  )
  assert memory.alias_size_in_bytes >= needed > 0


def constants(jaxpr):
  """Yields the constant arrays of a program and its inner programs."""
  yield from jaxpr.consts
  for equation in jaxpr.jaxpr.eqns:
    for inner in jax.tree.leaves(
      list(equation.params.values()),
      is_leaf=lambda x: isinstance(x, jax.extend.core.ClosedJaxpr),
    ):
      if isinstance(inner, jax.extend.core.ClosedJaxpr):
        yield from constants(inner)


def constant_bytes(jaxpr):
  return sum(np.asarray(x).nbytes for x in constants(jaxpr))


def test_the_step_contains_no_data():
  assert constant_bytes(traced()[0].jaxpr) < 1 << 20


def test_data_in_a_program_is_found():
  data = np.zeros((1000, *SHAPE), np.float32)
  found = jax.jit(lambda x: jax.jit(lambda i: jnp.asarray(data)[i])(x)).trace(0)
  assert constant_bytes(found.jaxpr) >= data.nbytes


@pytest.mark.parametrize('faces', [1_009, 10_007])
def test_the_state_does_not_grow_with_the_data(faces):
  run = setup.prepare(config(data__faces=faces))
  shapes = [x.shape for x in jax.tree.leaves(run.abstract_state)]
  assert shapes == [x.shape for x in jax.tree.leaves(traced()[1])]
  assert not any(faces in shape for shape in shapes)


@functools.cache
def compiled_paper_step():
  """Returns the compiled step of the paper's networks, batch 16."""
  run = setup.prepare(reference.config(64, 16), devices=jax.devices()[:1])
  batch = batches.Batch(jax.ShapeDtypeStruct((16, 64, 64, 3), jnp.uint8), None)
  return run.compiled.step.trace(run.abstract_state, batch).lower().compile()


@pytest.mark.slow
def test_a_step_of_the_papers_networks_takes_31_mb_an_image():
  # An equal step in PyTorch takes 34 MB (docs/performance.md).
  memory = compiled_paper_step().memory_analysis()
  assert memory.temp_size_in_bytes / 16 < 31e6


@pytest.mark.slow
def test_a_step_of_the_papers_networks_has_few_loops_to_compile():
  # Each adds to the time of the first step (docs/performance.md).
  loops = compiled_paper_step().as_text().count('kind=kLoop')
  assert 100 < loops < 500
