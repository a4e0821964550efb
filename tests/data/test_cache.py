import errno
import json
import multiprocessing
import pathlib
import threading
import time
from concurrent import futures
from contextlib import nullcontext

import numpy as np
import pytest

from tests.data.numbered import Numbered, load, only
from vaegan_jax.data import cache, storage
from vaegan_jax.files import lock


def test_images_and_attributes_are_in_the_order_of_the_source(tmp_path):
  data = load(Numbered(), tmp_path)
  assert data.images.shape == (600, 8, 8, 1)
  np.testing.assert_array_equal(data.images[:, 3, 4, 0], np.arange(600) % 256)
  np.testing.assert_array_equal(data.attributes[:, 0], np.arange(600))
  assert data.attribute_names == ('this', 'next')
  assert (data.source, data.split) == ('numbered:x/y', 'train')


def test_a_second_load_reads_nothing_from_the_source(tmp_path):
  class Once(Numbered):
    def read(self, split, start, stop):
      raise AssertionError('read again')

    def length(self, split):
      raise AssertionError('counted again')

  first = load(Numbered(), tmp_path)
  second = load(Once(), tmp_path)
  assert first.digest == second.digest
  np.testing.assert_array_equal(first.images, second.images)


@pytest.mark.parametrize(
  'change', [{'shade': 1}, {'size': (16, 8)}, {'channels': 3}]
)
def test_another_setting_has_another_cache(tmp_path, change):
  first = load(Numbered(), tmp_path)
  other = load(Numbered(**change), tmp_path)
  assert first.digest != other.digest
  assert len(list(tmp_path.iterdir())) == 2


def test_each_image_is_read_exactly_once(tmp_path):
  calls = []
  load(Numbered(calls=calls), tmp_path)
  covered = [i for start, stop in calls for i in range(start, stop)]
  assert sorted(covered) == list(range(600))


def test_the_images_cannot_be_written_to(tmp_path):
  with pytest.raises(ValueError, match='read-only'):
    load(Numbered(), tmp_path).images[0] = 0


def test_a_source_without_attributes_has_none(tmp_path):
  class Bare(Numbered):
    attribute_names = ()

    def attributes(self, split):
      return None

  for _ in range(2):
    assert load(Bare(), tmp_path).attributes is None


@pytest.mark.parametrize('split', ['val', 'Train', '../x'])
def test_unknown_splits_are_refused(tmp_path, split):
  with pytest.raises(ValueError, match='train, validation, test'):
    load(Numbered(), tmp_path, split=split)


@pytest.mark.parametrize('size', [(8, 12), (0, 8), (4, 4)])
def test_sizes_that_cannot_be_halved_three_times_are_refused(tmp_path, size):
  with pytest.raises(ValueError, match='multiples of 8'):
    load(Numbered(size=size), tmp_path)


def test_an_empty_split_is_refused(tmp_path):
  with pytest.raises(ValueError, match='holds no image'):
    load(Numbered(), tmp_path, split='test')


@pytest.mark.parametrize('error', [ValueError, KeyboardInterrupt])
def test_an_error_or_interrupt_leaves_nothing_behind(tmp_path, error):
  class Failing(Numbered):
    def read(self, split, start, stop):
      if start > 256:
        raise error('image 512 failed')
      return super().read(split, start, stop)

  with pytest.raises(error, match='image 512 failed'):
    load(Failing(), tmp_path)
  assert not [path for path in tmp_path.rglob('*') if path.is_file()]


def test_a_full_disk_is_reported_before_anything_is_written(
  tmp_path, monkeypatch
):
  # The real call would wait for room of this size on a disk that has it.
  def refuse(descriptor, offset, size):
    assert size > 1000
    raise OSError(errno.ENOSPC, 'No space left on device')

  monkeypatch.setattr(storage.os, 'posix_fallocate', refuse)
  calls = []
  with pytest.raises(OSError, match=r'no room for .* GB .*data\.cache'):
    load(Numbered(calls=calls), tmp_path)
  assert not calls
  assert not [path for path in tmp_path.rglob('*') if path.is_file()]


def test_a_source_that_reads_the_wrong_shape_is_refused(tmp_path):
  class Wrong(Numbered):
    def read(self, split, start, stop):
      return super().read(split, start, stop)[:-1]

  with pytest.raises(ValueError, match='expected uint8'):
    load(Wrong(), tmp_path)


def flip_a_bit(path):
  data = bytearray(path.read_bytes())
  data[-1000] ^= 1
  path.write_bytes(data)


def truncate(path):
  path.write_bytes(path.read_bytes()[:-1000])


@pytest.mark.parametrize('harm', [flip_a_bit, truncate, pathlib.Path.unlink])
@pytest.mark.parametrize('name', ['images.npy', 'attributes.npy'])
def test_damage_is_found_and_the_remedy_named(tmp_path, name, harm):
  load(Numbered(), tmp_path)
  harm(only(tmp_path, name))
  with pytest.raises(ValueError, match='remove that folder'):
    load(Numbered(), tmp_path)


@pytest.mark.parametrize(
  'text',
  [
    *('', '[]', 'null', '{}', '{"skipped": [[]]}', '{"version": 0}'),
    *('[' * 100_000, '\xff'),
  ],
)
@pytest.mark.parametrize('verify', [True, False])
def test_a_damaged_description_is_refused(tmp_path, text, verify):
  load(Numbered(), tmp_path)
  only(tmp_path, 'about.json').write_text(text, encoding='latin1')
  with pytest.raises(ValueError, match='remove that folder'):
    load(Numbered(), tmp_path, verify=verify)


def test_without_verifying_a_flipped_bit_passes_but_a_shape_does_not(tmp_path):
  load(Numbered(), tmp_path)
  flip_a_bit(only(tmp_path, 'images.npy'))
  load(Numbered(), tmp_path, verify=False)
  truncate(only(tmp_path, 'images.npy'))
  with pytest.raises(ValueError, match='remove that folder'):
    load(Numbered(), tmp_path, verify=False)


def test_the_folder_describes_its_content(tmp_path):
  load(Numbered(), tmp_path)
  about = json.loads(only(tmp_path, 'about.json').read_text())
  assert about['images'] == ['uint8', 600, 8, 8, 1]
  assert about['fingerprint'] == {'shade': 0}


def test_a_folder_made_for_other_data_is_refused(tmp_path):
  load(Numbered(), tmp_path)
  path = only(tmp_path, 'about.json')
  about = json.loads(path.read_text())
  path.write_text(json.dumps(about | {'source': 'other'}))
  with pytest.raises(ValueError, match=r'source is .*, not .*; remove'):
    load(Numbered(), tmp_path, verify=False)


@pytest.fixture
def no_locks(monkeypatch):
  """A file system without locks."""
  monkeypatch.setattr(lock, 'in_turn', lambda *_, **__: nullcontext())


@pytest.mark.usefixtures('no_locks')
def test_the_first_of_two_builds_is_kept(tmp_path):
  class Late(Numbered):
    def read(self, split, start, stop):
      if start == 0:
        load(Numbered(), tmp_path)  # another process finishes first
        [kept] = tmp_path.glob('*/train/images.npy')
        first.append(kept.stat().st_ino)
      return super().read(split, start, stop)

  first = []
  load(Late(), tmp_path)
  assert only(tmp_path, 'images.npy').stat().st_ino == first[0]


@pytest.mark.usefixtures('no_locks')
def test_two_threads_that_build_without_locks_get_the_same(tmp_path):
  barrier = threading.Barrier(2)

  class Slow(Numbered):
    def length(self, split):
      barrier.wait(timeout=30)
      return self.images

  with futures.ThreadPoolExecutor(2) as pool:
    results = list(pool.map(lambda _: load(Slow(), tmp_path), range(2)))
  assert results[0].digest == results[1].digest
  only(tmp_path, 'images.npy')
  assert not list(tmp_path.rglob('.*'))


def test_others_wait_for_the_one_that_builds_and_take_its_array(tmp_path):
  built = []

  class Counted(Numbered):
    def length(self, split):
      built.append(split)
      time.sleep(0.2)
      return self.images

  with futures.ThreadPoolExecutor(3) as pool:
    results = list(pool.map(lambda _: load(Counted(), tmp_path), range(3)))
  assert len({x.digest for x in results}) == 1
  assert built == ['train']


def _load_numbered(directory):
  return load(Numbered(), directory).digest


def test_two_processes_may_build_at_once(tmp_path):
  with multiprocessing.get_context('spawn').Pool(2) as pool:
    digests = pool.map(_load_numbered, [tmp_path] * 2)
  assert len(set(digests)) == 1


def test_the_default_directory_is_the_users_cache(monkeypatch):
  monkeypatch.setenv('XDG_CACHE_HOME', '/somewhere')
  assert str(cache.default_directory()) == '/somewhere/vaegan_jax'
  monkeypatch.delenv('XDG_CACHE_HOME')
  expected = pathlib.Path.home() / '.cache' / 'vaegan_jax'
  assert cache.default_directory() == expected


def test_a_sample_is_a_fixed_shuffle(tmp_path):
  data = load(Numbered(), tmp_path)
  some = data.sample(36)
  np.testing.assert_array_equal(some.images, data.sample(36).images)
  places = some.attributes[:, 0]
  assert len(set(places)) == 36
  assert places.min() < 100 < 500 < places.max()
  assert sorted(data.sample(999).attributes[:, 0]) == [*range(600)]


def test_test_images_among_the_training_images_are_warned_of(tmp_path, caplog):
  train = load(Numbered(images=200), tmp_path)
  cache.warn_of_copies(train, load(Numbered(images=20, shade=215), tmp_path))
  assert 'training' not in caplog.text
  cache.warn_of_copies(train, load(Numbered(images=20, shade=190), tmp_path))
  assert '10 of the 20 test images of numbered:x/y are training' in caplog.text
