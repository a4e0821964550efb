"""A run starts: its step is compiled once, and its state is made once."""

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


def prepare(*, steps_per_dispatch=1, **changes):
  """Returns a run, and its batches."""
  config = small.config(
    steps_per_dispatch=steps_per_dispatch,
    picture_every=6,
    save_every=6,
    **changes,
  )
  run = setup.prepare(config)
  feed = batches.Batches(
    small.noise(),
    seed=0,
    batch_size=config.batch_size,
    sharding=run.compiled.sharded,
    stacked=steps_per_dispatch > 1,
  )
  return run, feed


@pytest.mark.parametrize('steps', [1, 2])
def test_the_first_step_is_already_compiled(steps, compilations):
  run, feed = prepare(steps_per_dispatch=steps)
  state = run.start(feed.planned(steps))
  assert compilations
  batch = feed(0, steps)
  compilations.clear()
  state, _ = run.compiled.step(state, batch)
  assert int(state.step) == steps
  assert not compilations


def test_the_step_is_compiled_for_a_restored_state_too(tmp_path, compilations):
  run, feed = prepare()
  batch = feed(0)
  saved = checkpoints.Checkpoints(tmp_path, identity={})
  saved.save(run.start(feed.planned()), step=0)
  saved.close()
  restored = checkpoints.Checkpoints(tmp_path, identity={}).restore(
    run.abstract_state
  )
  state = run.start(feed.planned(), restored)
  compilations.clear()
  state, _ = run.compiled.step(state, batch)
  assert int(state.step) == 1
  assert not compilations


def test_the_abstract_state_and_batch_are_those_of_the_run():
  run, feed = prepare()
  real = run.start(feed.planned()), feed(0)
  abstract = run.abstract_state, feed.planned()
  for here, there in zip(
    jax.tree.leaves(real), jax.tree.leaves(abstract), strict=True
  ):
    assert (here.shape, here.dtype) == (there.shape, there.dtype)
    assert here.sharding == there.sharding


def test_a_restored_state_replaces_the_initial_one():
  run, feed = prepare()

  def initialise():
    raise AssertionError('a state was made')

  run, restored = run._replace(initialise=initialise), run.abstract_state
  assert run.start(feed.planned(), restored) is restored


def test_a_run_starts_under_pmap():
  run, feed = prepare(compile='pmap')
  state, _ = run.compiled.step(run.start(feed.planned()), feed(0))
  assert int(state.step) == 1


def test_an_error_of_the_compiler_is_raised():
  run, feed = prepare()

  class Compiled(type(run.compiled)):
    def lower(self, *_):
      def compile_step():
        raise ValueError('too large')

      return compile_step

  with pytest.raises(ValueError, match='too large'):
    run._replace(compiled=Compiled(*run.compiled)).start(feed.planned())
