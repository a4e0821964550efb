"""A saved state is restored bit for bit, or its loss is reported."""

import dataclasses
import os
import pathlib
import shutil
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vaegan_jax.core import train_state
from vaegan_jax.files import atomic, checksums
from vaegan_jax.runs import checkpoints

IDENTITY = {'config': 'c', 'data': 'd'}


def make(step):
  """Returns a state with the kinds of leaves that a run has."""
  draw = np.random.default_rng(step)
  return {
    'step': jnp.array(step, jnp.int32),
    'key': jax.random.key(step),
    'deep': ({'kernel': jnp.asarray(draw.normal(size=(50, 7)))}, jnp.zeros(())),
  }


def assert_equal(one, other):
  one, other = (
    {**state, 'key': jax.random.key_data(state['key'])}
    for state in (one, other)
  )
  jax.tree.map(np.testing.assert_array_equal, one, other)


def open_run(workdir, **settings):
  return checkpoints.Checkpoints(workdir, identity=IDENTITY, **settings)


def restore(workdir):
  return open_run(workdir).restore(make(0))


def save(workdir, *steps, **settings):
  owner = open_run(workdir, **settings)
  for step in steps:
    owner.save(make(step), step=step)
  owner.close()


def folders(workdir):
  return sorted(os.listdir(workdir / 'checkpoints'))


@pytest.fixture(scope='module')
def three(tmp_path_factory):
  """A run with the checkpoints 1, 2 and 3."""
  workdir = tmp_path_factory.mktemp('three')
  save(workdir, 1, 2, 3)
  return workdir


@pytest.fixture
def copy(three, tmp_path):
  return pathlib.Path(shutil.copytree(three, tmp_path / 'copy'))


def newest(workdir):
  return workdir / 'checkpoints' / '3'


def steps(workdir):
  return [int(name) for name in folders(workdir) if name.isdecimal()]


def test_the_newest_state_comes_back_bit_for_bit(three):
  restored = restore(three)
  assert_equal(restored, make(3))
  assert restored['key'].dtype == make(0)['key'].dtype
  step, loaded, _ = checkpoints.load(three)
  assert step == 3
  np.testing.assert_array_equal(
    loaded['deep'][0]['kernel'], make(3)['deep'][0]['kernel']
  )


@pytest.fixture
def slow_save(monkeypatch):
  """Makes a save set one event and wait for another."""
  begun, go = threading.Event(), threading.Event()
  save = checkpoints.serialisation.save

  def slow(*args):
    begun.set()
    assert go.wait(60)
    save(*args)

  monkeypatch.setattr(checkpoints.serialisation, 'save', slow)
  return begun, go


def test_a_state_is_copied_before_the_next_step_reuses_its_memory(
  tmp_path, slow_save
):
  _, go = slow_save
  step = jax.jit(lambda x: x + 1, donate_argnums=0)
  numbers = jnp.zeros((50, 7))
  owner = open_run(tmp_path)
  owner.save({'x': numbers}, step=1)
  for _ in range(3):
    numbers = step(numbers)
  go.set()
  owner.close()
  assert not checkpoints.load(tmp_path).state['x'].any()


FIELDS = [field.name for field in dataclasses.fields(train_state.NetworkState)]


def test_names_of_version_0_1_are_restored(tmp_path):
  arrays = {
    'params': {'kernel': jnp.arange(6.0)},
    'statistics': {'mean': jnp.ones(2)},
    'optimizer': ({'mu': jnp.zeros(6)}, jnp.array(3)),
    'updates': jnp.array(7, jnp.int32),
    'average': None,
  }
  owner = open_run(tmp_path)
  owner.save({'networks': {'decoder': arrays}}, step=1)
  owner.close()
  expected = {
    'networks': {'decoder': train_state.NetworkState(*arrays.values())}
  }
  restored = open_run(tmp_path).restore(expected)
  jax.tree.map(np.testing.assert_array_equal, restored, expected)
  loaded = checkpoints.load(tmp_path).state
  assert set(loaded['networks']['decoder']) <= set(FIELDS)


def flipped(content, bit):
  changed = bytearray(content)
  changed[bit // 8] ^= 1 << bit % 8
  return bytes(changed)


def damages(folder):
  """Yields each file with damaged contents; None deletes it."""
  for path in sorted(p for p in folder.rglob('*') if p.is_file()):
    content = path.read_bytes()
    yield path, None
    yield path, content + b'x'
    if content:
      yield path, b''
      yield path, content[:-1]
      yield path, flipped(content, len(content) // 2 * 8)


def assert_found(path, damaged, *, folder):
  content = path.read_bytes()
  path.unlink()
  if damaged is not None:
    path.write_bytes(damaged)
  with pytest.raises(checksums.Damaged, match=path.name):
    checksums.verify(folder)
  path.write_bytes(content)


def test_every_damage_to_every_file_of_a_checkpoint_is_found(copy):
  found = list(damages(newest(copy)))
  assert len(found) > 40
  for path, damaged in found:
    assert_found(path, damaged, folder=newest(copy))
  checksums.verify(newest(copy))


def test_a_hundred_flipped_bits_of_a_checkpoint_are_all_found(copy):
  draw = np.random.default_rng(0)
  files = [p for p in newest(copy).rglob('*') if p.is_file()]
  files = [path for path in files if path.stat().st_size]
  for _ in range(100):
    path = files[draw.integers(len(files))]
    content = path.read_bytes()
    bit = int(draw.integers(8 * len(content)))
    assert_found(path, flipped(content, bit), folder=newest(copy))


def test_a_damaged_step_is_set_aside_for_the_one_before(copy, caplog):
  victim = newest(copy) / 'state' / '_CHECKPOINT_METADATA'
  victim.write_text('{}')
  assert_equal(restore(copy), make(2))
  assert folders(copy) == ['1', '2', 'damaged-3']
  assert 'state/_CHECKPOINT_METADATA' in caplog.text
  assert 'step 3 is damaged' in caplog.text


def test_a_step_that_is_damaged_twice_is_kept_twice(copy):
  for _ in range(2):
    (newest(copy) / checksums.NAME).unlink()
    owner = open_run(copy)
    owner.restore(make(0))
    owner.save(make(3), step=3)
    owner.close()
  assert folders(copy) == ['1', '2', '3', 'damaged-3', 'damaged-3-2']


def test_a_reader_skips_damage_and_moves_nothing(copy, caplog):
  (newest(copy) / checksums.NAME).unlink()
  assert checkpoints.load(copy).step == 2
  assert 'skipped: manifest.json is missing' in caplog.text
  assert folders(copy) == ['1', '2', '3']


def test_a_run_without_intact_checkpoints_does_not_start_from_zero(copy):
  for step in (1, 2, 3):
    (copy / 'checkpoints' / f'{step}' / checksums.NAME).unlink()
  with pytest.raises(ValueError, match='none of the 3 checkpoints'):
    checkpoints.load(copy)
  for _ in range(2):  # the second time all are named damaged-*
    with pytest.raises(ValueError, match='damaged-1, damaged-2, damaged-3'):
      restore(copy)


def test_a_renamed_step_is_damaged(copy):
  newest(copy).rename(copy / 'checkpoints' / '9')
  assert_equal(restore(copy), make(2))


@pytest.mark.parametrize('name', IDENTITY)
def test_a_checkpoint_of_another_config_or_data_is_refused_and_kept(copy, name):
  other = checkpoints.Checkpoints(copy, identity={**IDENTITY, name: 'other'})
  with pytest.raises(ValueError, match=f'checkpoint of another {name}'):
    other.restore(make(0))
  assert folders(copy) == ['1', '2', '3']


@pytest.mark.parametrize(
  ('change', 'message'),
  [
    ({'step': jnp.zeros(2, jnp.int32)}, r'step is int32\[\] .* int32\[2\]'),
    ({'more': jnp.zeros(2)}, 'more is absent'),
    ({'deep': ()}, 'deep/0/kernel is float32.* absent in this run'),
  ],
)
def test_a_state_of_another_kind_is_refused_by_name(three, change, message):
  with pytest.raises(ValueError, match=message):
    open_run(three).restore({**make(0), **change})


def test_a_run_without_checkpoints_has_no_state(tmp_path):
  assert restore(tmp_path) is None
  with pytest.raises(FileNotFoundError, match='train first'):
    checkpoints.load(tmp_path)


@pytest.fixture
def saved(monkeypatch):
  """Saves empty states, and lists them."""
  saved = []
  monkeypatch.setattr(
    checkpoints.serialisation,
    'save',
    lambda path, _: saved.append(path.mkdir()),
  )
  return saved


def test_the_newest_and_one_of_every_period_are_kept(tmp_path, saved):
  save(tmp_path, *range(3, 40, 3), keep=2, keep_every=10)
  assert len(saved) == 13
  assert sorted(steps(tmp_path)) == [12, 21, 30, 36, 39]


def test_the_next_start_removes_what_a_killed_save_left(copy):
  left = copy / 'checkpoints' / '.writing-elsewhere-1-abc'
  (left / '4' / 'state').mkdir(parents=True)
  open_run(copy)
  assert folders(copy) == ['1', '2', '3']


def test_a_step_is_saved_once(tmp_path, saved):
  save(tmp_path, 1, 1)
  assert folders(tmp_path) == ['1']
  assert len(saved) == 1


@pytest.fixture
def full_disk(monkeypatch):
  def fail(*_):
    raise OSError(28, 'No space left on device')

  monkeypatch.setattr(checkpoints.serialisation, 'save', fail)


@pytest.mark.usefixtures('full_disk')
def test_a_failed_save_raises_and_leaves_older_ones_intact(copy):
  with pytest.raises(checkpoints.NotSaved, match=r'step 4.*step 3 is there'):
    save(copy, 4)
  assert folders(copy) == ['1', '2', '3']
  assert_equal(restore(copy), make(3))


@pytest.mark.usefixtures('full_disk')
def test_a_failed_save_is_found_during_training(tmp_path):
  owner = open_run(tmp_path)
  owner.save(make(1), step=1)
  owner._thread.shutdown()
  with pytest.raises(checkpoints.NotSaved, match='there is none yet'):
    owner.check()


def test_a_removed_folder_raises_and_is_not_recreated(tmp_path):
  owner = open_run(tmp_path)
  (tmp_path / 'checkpoints').rmdir()
  owner.save(make(1), step=1)
  with pytest.raises(checkpoints.NotSaved, match='No such file'):
    owner.close()
  assert not (tmp_path / 'checkpoints').exists()


def test_training_continues_during_a_save(tmp_path, slow_save):
  begun, go = slow_save
  owner = open_run(tmp_path)
  owner.save(make(1), step=1)
  assert begun.wait(60)
  owner.check()
  assert not steps(tmp_path)
  go.set()
  owner.close()
  assert folders(tmp_path) == ['1']


def test_a_kill_before_the_rename_leaves_no_step(tmp_path, monkeypatch):
  class Killed(BaseException):
    pass

  def kill(*_):
    raise Killed

  monkeypatch.setattr(atomic, '_rename', kill)
  with pytest.raises(Killed):
    save(tmp_path, 1)
  assert not steps(tmp_path)


def test_changed_test_images_are_said(tmp_path, caplog):
  save(tmp_path, 1, about={'test images': 'a', 'limits': [[0.5]]})
  open_run(tmp_path, about={'test images': 'a'}).restore(make(0))
  assert not caplog.records
  open_run(tmp_path, about={'test images': 'b'}).restore(make(0))
  assert 'The test images have changed since step 1' in caplog.text
