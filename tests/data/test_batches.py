import contextlib
import functools

import jax
import numpy as np
import pytest

from tests import devices
from vaegan_jax.data import batches, cache


def dataset(length=37, attributes=True):
  generator = np.random.default_rng(0)
  images = generator.integers(0, 256, (length, 8, 8, 3), dtype=np.uint8)
  rows = generator.integers(0, 2, (length, 5), dtype=np.int8)
  return cache.Dataset(
    images=images,
    attributes=rows if attributes else None,
    attribute_names=tuple('abcde') if attributes else (),
    source='test',
    split='train',
    digest='',
  )


def take(steps, **settings):
  rows = [batches.indices(step=step, **settings) for step in steps]
  return np.concatenate(rows)


@pytest.mark.parametrize('batch_size', [1, 7, 10, 29, 100])
def test_every_image_is_used_once_an_epoch(batch_size):
  settings = {'seed': 3, 'batch_size': batch_size, 'length': 29}
  stream = take(range(-(-29 * 5 // batch_size)), **settings)[: 29 * 5]
  for epoch in stream.reshape(5, 29):
    np.testing.assert_array_equal(np.sort(epoch), np.arange(29))


def test_epochs_and_seeds_are_shuffled_differently():
  settings = {'batch_size': 100, 'length': 100}
  first, second = (batches.indices(seed=0, step=s, **settings) for s in (0, 1))
  other = batches.indices(seed=1, step=0, **settings)
  assert (first != np.arange(100)).any()
  assert (first != second).any()
  assert (first != other).any()


def test_the_stream_does_not_depend_on_the_batch_size():
  settings = {'seed': 5, 'length': 30}
  small = take(range(12), batch_size=6, **settings)
  large = take(range(3), batch_size=24, **settings)
  np.testing.assert_array_equal(small, large)


def test_a_step_does_not_depend_on_earlier_calls():
  indices = functools.partial(batches.indices, seed=1, batch_size=8, length=20)
  forwards = [indices(step=step) for step in range(50)]
  for step in reversed(range(50)):
    np.testing.assert_array_equal(indices(step=step), forwards[step])


def test_the_shuffle_never_changes():
  # A golden value, since a change would change the data of every old run.
  rows = batches.indices(seed=0, step=0, batch_size=8, length=8)
  assert rows.tolist() == [0, 2, 1, 5, 4, 3, 6, 7]


@pytest.mark.parametrize('setting', ['seed', 'step', 'batch_size', 'length'])
def test_impossible_numbers_are_refused(setting):
  settings = {'seed': 0, 'step': 0, 'batch_size': 2, 'length': 3}
  with pytest.raises(ValueError, match='no batch'):
    batches.indices(**(settings | {setting: -1}))


@pytest.fixture(params=[0, 1 << 20], ids=['on the host', 'on the device'])
def make(request):
  """Makes batches of 8, which are closed after the test."""
  with contextlib.ExitStack() as stack:

    def make(data, **settings):
      made = batches.Batches(
        data, seed=1, batch_size=8, resident=request.param, **settings
      )
      stack.callback(made.close)
      return made

    yield make


def test_a_batch_holds_the_chosen_rows(make):
  data = dataset()
  one = make(data)
  for step in (0, 1, 2, 9, 3):
    rows = batches.indices(seed=1, step=step, batch_size=8, length=37)
    batch = one(step)
    np.testing.assert_array_equal(batch.pixels, data.images[rows])
    np.testing.assert_array_equal(batch.attributes, data.attributes[rows])
    assert batch.attributes.dtype == np.float32


def test_batches_of_several_steps_are_stacked(make):
  one, many = make(dataset()), make(dataset(), stacked=True)
  for step, count in ((0, 3), (3, 3), (6, 2), (9, 1)):
    singles = [one(s) for s in range(step, step + count)]
    stacked = many(step, count)
    expected = jax.tree.map(lambda *x: np.stack(x), *singles)
    jax.tree.map(np.testing.assert_array_equal, stacked, expected)


def test_batches_of_data_without_attributes_have_none(make):
  assert make(dataset(attributes=False))(0).attributes is None


def test_no_transfer_is_implicit(make):
  one = make(dataset())
  with jax.transfer_guard('disallow'):
    jax.block_until_ready(one(0))


def test_an_error_in_the_thread_is_raised_by_the_step():
  make = batches.Batches(dataset(), seed=-1, batch_size=8, resident=0)
  with pytest.raises(ValueError, match='seed'):
    make(0)
  make.close()


FOUR_DEVICES = """
import jax, numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec as P
from tests.data import test_batches
from vaegan_jax.data import batches

data = test_batches.dataset()
mesh = jax.make_mesh((4,), ('data',), axis_types=(AxisType.Auto,))
settings = {'seed': 7, 'batch_size': 16}
sharding = NamedSharding(mesh, P('data'))
one = batches.Batches(data, **settings)
for resident in (0, 1 << 20):
  four = batches.Batches(
    data, **settings, sharding=sharding, resident=resident)
  for step in range(6):
    a, b = one(step), jax.block_until_ready(four(step))
    assert b.pixels.sharding.is_equivalent_to(sharding, 4), b.pixels.sharding
    assert b.pixels.addressable_shards[0].data.shape == (4, 8, 8, 3)
    np.testing.assert_array_equal(a.pixels, b.pixels)
    np.testing.assert_array_equal(a.attributes, b.attributes)
  four.close()
  many = batches.Batches(
    data, **settings, sharding=sharding, resident=resident, stacked=True)
  stacked = jax.block_until_ready(many(2, 3))
  assert stacked.pixels.addressable_shards[0].data.shape == (3, 4, 8, 8, 3)
  for i in range(3):
    np.testing.assert_array_equal(one(2 + i).pixels, stacked.pixels[i])
  many.close()
try:
  batches.Batches(data, seed=0, batch_size=6, sharding=sharding)
except ValueError as error:
  assert 'does not divide among 4 devices' in str(error), error
else:
  raise SystemExit('a batch of 6 was accepted')
"""


def test_four_devices_get_the_same_bytes_as_one():
  devices.run(FOUR_DEVICES, count=4)


@pytest.mark.parametrize(('length', 'warned'), [(3, True), (4, False)])
def test_batches_that_repeat_images_are_said(length, warned, caplog):
  batches.Batches(dataset(length), seed=0, batch_size=4)
  said = 'config.batch_size = 4, and there are 3 training images' in caplog.text
  assert said == warned
