"""A run begins: its step is compiled and its state made, each once."""

import jax
import pytest
from jax import monitoring

from tests import small
from vaegan_jax.data import batches
from vaegan_jax.runs import checkpoints
from vaegan_jax.training import setup

COMPILED = '/jax/core/compile/backend_compile_duration'


@pytest.fixture
def compilations():
  """Lists the programs that are compiled from now on."""
  found = []

  def listen(event, seconds, **_):
    if event == COMPILED:
      found.append(seconds)

  monitoring.register_event_duration_secs_listener(listen)
  yield found
  monitoring.unregister_event_duration_listener(listen)


def begun(*, many=1, **changes):
  """Prepares a run, and the batches that it gets."""
  config = small.config(
    steps_per_dispatch=many, picture_every=6, save_every=6, **changes
  )
  run = setup.prepare(config)
  feed = batches.Batches(
    small.noise(),
    seed=0,
    batch_size=config.batch_size,
    sharding=run.compiled.sharded,
    stacked=many > 1,
  )
  return run, feed


@pytest.mark.parametrize('many', [1, 2])
def test_the_first_step_finds_the_program_that_was_compiled(many, compilations):
  run, feed = begun(many=many)
  state = run.start(feed.planned(many))
  assert compilations
  batch = feed(0, many)
  compilations.clear()
  state, _ = run.compiled.step(state, batch)
  assert int(state.step) == many
  assert not compilations


def test_a_restored_state_finds_it_as_well(tmp_path, compilations):
  run, feed = begun()
  batch = feed(0)
  saved = checkpoints.Checkpoints(tmp_path, identity={})
  saved.save(run.start(feed.planned()), step=0)
  saved.close()
  state = checkpoints.Checkpoints(tmp_path, identity={}).restore(
    run.abstract_state
  )
  state = run.start(feed.planned(), state)
  compilations.clear()
  state, _ = run.compiled.step(state, batch)
  assert int(state.step) == 1
  assert not compilations


def test_the_planned_state_and_batch_are_those_of_a_run():
  run, feed = begun()
  made = run.start(feed.planned()), feed(0)
  planned = run.abstract_state, feed.planned()
  for here, there in zip(
    jax.tree.leaves(made), jax.tree.leaves(planned), strict=True
  ):
    assert (here.shape, here.dtype) == (there.shape, there.dtype)
    assert here.sharding == there.sharding


def test_a_restored_state_goes_on_and_none_is_made():
  run, feed = begun()

  def initialise():
    raise AssertionError('a state was made')

  starts = run._replace(initialise=initialise)
  restored = run.abstract_state
  assert starts.start(feed.planned(), restored) is restored


def test_pmap_begins_as_well():
  run, feed = begun(compile='pmap')
  state, _ = run.compiled.step(run.start(feed.planned()), feed(0))
  assert int(state.step) == 1


def test_what_compiling_raises_is_not_lost():
  run, feed = begun()

  class Compiled(type(run.compiled)):
    def lower(self, *_):
      def compile_step():
        raise ValueError('too large')

      return compile_step

  with pytest.raises(ValueError, match='too large'):
    run._replace(compiled=Compiled(*run.compiled)).start(feed.planned())
