import types

import numpy as np
import pytest

from vaegan_jax.data import storage

SHAPE = (600, 8, 8, 1)


def write(folder, read=None, about=None):
  storage.write(
    folder,
    shape=SHAPE,
    read=read or (lambda start, stop: np.zeros((stop - start, 8, 8, 1), 'u1')),
    attributes=None,
    about=about or {},
    label='zeros',
    progress=False,
  )


def test_each_image_is_read_exactly_once(tmp_path):
  asked = []

  def read(start, stop):
    asked.append((start, stop))
    return np.zeros((stop - start, 8, 8, 1), np.uint8)

  write(tmp_path / 'new', read)
  covered = [i for start, stop in asked for i in range(start, stop)]
  assert sorted(covered) == list(range(600))


def test_a_full_disk_is_said_before_anything_is_written(tmp_path, monkeypatch):
  usage = types.SimpleNamespace(free=1)
  monkeypatch.setattr(storage.shutil, 'disk_usage', lambda path: usage)
  with pytest.raises(OSError, match='GB free'):
    write(tmp_path / 'new')
  assert not list(tmp_path.iterdir())


def test_what_was_written_for_another_purpose_is_refused(tmp_path):
  write(tmp_path / 'new', about={'source': 'here'})
  storage.read(tmp_path / 'new', about={'source': 'here'}, verify=True)
  with pytest.raises(ValueError, match='source is'):
    storage.read(tmp_path / 'new', about={'source': 'there'}, verify=True)


def test_the_first_to_finish_is_kept(tmp_path):
  folder = tmp_path / 'new'

  def read(start, stop):
    folder.mkdir(exist_ok=True)  # as if another process had been faster
    (folder / 'first').touch()
    return np.zeros((stop - start, 8, 8, 1), np.uint8)

  write(folder, read)
  assert [path.name for path in tmp_path.rglob('*')] == ['new', 'first']


def test_an_interrupt_leaves_nothing_behind(tmp_path):
  def read(start, stop):
    raise KeyboardInterrupt

  with pytest.raises(KeyboardInterrupt):
    write(tmp_path / 'new', read)
  assert not list(tmp_path.iterdir())
