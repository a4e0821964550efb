"""What was saved is restored bit for bit, or not at all and not in silence."""

import logging
import os
import pathlib
import shutil
import threading

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vaegan_jax.files import atomic, checksums
from vaegan_jax.runs import checkpoints

ABOUT = {'config': 'c', 'data': 'd'}


def make(step):
  """Makes a state of the kinds of leaves that a run has."""
  draw = np.random.default_rng(step)
  return {
    'step': jnp.array(step, jnp.int32),
    'key': jax.random.key(step),
    'deep': ({'kernel': jnp.asarray(draw.normal(size=(50, 7)))}, jnp.zeros(())),
  }


def same(one, other):
  def plain(x):
    return jax.random.key_data(x) if x.dtype == one['key'].dtype else x

  jax.tree.map(
    np.testing.assert_array_equal,
    jax.tree.map(plain, one),
    jax.tree.map(plain, other),
  )
  return True


def opened(workdir, **settings):
  return checkpoints.Checkpoints(workdir, about=ABOUT, **settings)


def save(workdir, *steps, **settings):
  owner = opened(workdir, **settings)
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


def test_the_newest_state_comes_back_bit_for_bit(three):
  restored = opened(three).restore(make(0))
  assert same(restored, make(3))
  assert restored['key'].dtype == make(0)['key'].dtype
  step, loaded = checkpoints.load(three)
  assert step == 3
  np.testing.assert_array_equal(
    loaded['deep'][0]['kernel'], make(3)['deep'][0]['kernel']
  )


@pytest.fixture
def held(monkeypatch):
  """Holds up what is written until it is told to go on."""
  go, begun, save = (
    threading.Event(),
    threading.Event(),
    checkpoints.serialisation.save,
  )

  def slow(*args):
    begun.set()
    assert go.wait(60)
    save(*args)

  monkeypatch.setattr(checkpoints.serialisation, 'save', slow)
  return begun, go


def test_a_state_is_copied_before_the_next_step_takes_its_memory(
  tmp_path, held
):
  _, go = held
  step = jax.jit(lambda x: x + 1, donate_argnums=0)
  numbers = jnp.zeros((50, 7))
  owner = opened(tmp_path)
  owner.save({'x': numbers}, step=1)
  for _ in range(3):
    numbers = step(numbers)
  go.set()
  owner.close()
  assert not checkpoints.load(tmp_path)[1]['x'].any()


def harms(folder):
  for path in sorted(p for p in folder.rglob('*') if p.is_file()):
    content = path.read_bytes()
    yield path, None
    yield path, content + b'x'
    if content:
      yield path, b''
      yield path, content[:-1]
      middle = len(content) // 2
      flipped = bytes([content[middle] ^ 1])
      yield path, content[:middle] + flipped + content[middle + 1 :]


def test_every_harm_to_every_file_of_a_checkpoint_is_found(copy):
  found = 0
  for path, harmed in list(harms(newest(copy))):
    content = path.read_bytes()
    path.unlink()
    if harmed is not None:
      path.write_bytes(harmed)
    with pytest.raises(checksums.Damaged, match=path.name):
      checksums.verify(newest(copy))
    path.write_bytes(content)
    found += 1
  assert found > 40
  checksums.verify(newest(copy))


def test_a_hundred_flipped_bits_of_a_checkpoint_are_all_found(copy):
  draw = np.random.default_rng(0)
  files = [p for p in newest(copy).rglob('*') if p.is_file()]
  files = [path for path in files if path.stat().st_size]
  for _ in range(100):
    path = files[draw.integers(len(files))]
    content = bytearray(path.read_bytes())
    bit = int(draw.integers(8 * len(content)))
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)
    with pytest.raises(checksums.Damaged, match=path.name):
      checksums.verify(newest(copy))
    content[bit // 8] ^= 1 << bit % 8
    path.write_bytes(content)


def test_a_damaged_step_is_set_aside_and_the_one_before_is_taken(copy, caplog):
  victim = newest(copy) / 'state' / '_CHECKPOINT_METADATA'
  victim.write_text('{}')
  assert same(opened(copy).restore(make(0)), make(2))
  assert folders(copy) == ['1', '2', 'damaged-3']
  assert 'state/_CHECKPOINT_METADATA' in caplog.text
  assert 'step 3 is damaged' in caplog.text


def test_a_step_saved_again_and_damaged_again_keeps_both(copy):
  for _ in range(2):
    (newest(copy) / checksums.NAME).unlink()
    owner = opened(copy)
    owner.restore(make(0))
    owner.save(make(3), step=3)
    owner.close()
  assert folders(copy) == ['1', '2', '3', 'damaged-3', 'damaged-3-2']


def test_a_reader_passes_over_damage_and_moves_nothing(copy, caplog):
  (newest(copy) / checksums.NAME).unlink()
  assert checkpoints.load(copy)[0] == 2
  assert 'passed over: manifest.json is missing' in caplog.text
  assert folders(copy) == ['1', '2', '3']


def test_a_run_whose_checkpoints_are_all_damaged_never_starts_from_zero(copy):
  for step in (1, 2, 3):
    (copy / 'checkpoints' / f'{step}' / checksums.NAME).unlink()
  with pytest.raises(ValueError, match='none of the 3 checkpoints'):
    checkpoints.load(copy)
  for _ in range(2):  # nor at the second try
    with pytest.raises(ValueError, match='damaged-1, damaged-2, damaged-3'):
      opened(copy).restore(make(0))


def test_a_step_under_another_number_is_damaged(copy):
  newest(copy).rename(copy / 'checkpoints' / '9')
  assert same(opened(copy).restore(make(0)), make(2))


@pytest.mark.parametrize('name', ABOUT)
def test_a_checkpoint_of_another_config_or_data_is_refused_and_kept(copy, name):
  other = checkpoints.Checkpoints(copy, about={**ABOUT, name: 'other'})
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
    opened(three).restore({**make(0), **change})


def test_nothing_saved_is_told_from_nothing_whole(tmp_path):
  assert opened(tmp_path).restore(make(0)) is None
  with pytest.raises(FileNotFoundError, match='train first'):
    checkpoints.load(tmp_path)


def test_the_newest_are_kept_and_one_of_every_so_many(tmp_path, monkeypatch):
  monkeypatch.setattr(
    checkpoints.serialisation, 'save', lambda path, _: path.mkdir()
  )
  save(tmp_path, *range(3, 40, 3), keep=2, keep_every=10)
  assert sorted(map(int, folders(tmp_path))) == [12, 21, 30, 36, 39]


def test_what_a_killed_save_left_is_removed_by_the_next_start(copy):
  left = copy / 'checkpoints' / '.writing-elsewhere-1-abc'
  (left / '4' / 'state').mkdir(parents=True)
  opened(copy)
  assert folders(copy) == ['1', '2', '3']


def test_a_step_is_saved_once(tmp_path, monkeypatch):
  saved = []
  monkeypatch.setattr(
    checkpoints.serialisation,
    'save',
    lambda path, _: saved.append(path.mkdir()),
  )
  save(tmp_path, 1, 1)
  assert folders(tmp_path) == ['1']
  assert len(saved) == 1


def fail(*_):
  raise OSError(28, 'No space left on device')


def test_a_save_that_fails_is_loud_and_older_ones_are_intact(
  copy, monkeypatch, caplog
):
  caplog.set_level(logging.ERROR)
  owner = opened(copy)
  monkeypatch.setattr(checkpoints.serialisation, 'save', fail)
  owner.save(make(4), step=4)
  with pytest.raises(checkpoints.NotSaved, match=r'step 4.*step 3 is there'):
    owner.close()
  assert folders(copy) == ['1', '2', '3']
  assert same(opened(copy).restore(make(0)), make(3))


def test_a_failed_save_is_found_while_the_run_goes_on(tmp_path, monkeypatch):
  monkeypatch.setattr(checkpoints.serialisation, 'save', fail)
  owner = opened(tmp_path)
  owner.save(make(1), step=1)
  owner._thread.shutdown()
  with pytest.raises(checkpoints.NotSaved, match='there is none yet'):
    owner.check()


def test_a_folder_that_is_gone_is_loud_and_not_made_again(tmp_path):
  owner = opened(tmp_path)
  (tmp_path / 'checkpoints').rmdir()
  owner.save(make(1), step=1)
  with pytest.raises(checkpoints.NotSaved, match='No such file'):
    owner.close()
  assert not (tmp_path / 'checkpoints').exists()


def test_a_save_does_not_hold_up_the_run(tmp_path, held):
  begun, go = held
  owner = opened(tmp_path)
  owner.save(make(1), step=1)
  assert begun.wait(60)  # and we are here, while it is at it
  owner.check()
  assert not [n for n in folders(tmp_path) if n.isdecimal()]
  go.set()
  owner.close()
  assert folders(tmp_path) == ['1']


def test_a_kill_before_the_name_is_given_leaves_no_step(tmp_path, monkeypatch):
  class Killed(BaseException):
    pass

  def kill(*_):
    raise Killed

  monkeypatch.setattr(atomic, '_rename', kill)
  owner = opened(tmp_path)
  owner.save(make(1), step=1)
  with pytest.raises(Killed):
    owner.close()
  assert not [n for n in folders(tmp_path) if n.isdecimal()]
