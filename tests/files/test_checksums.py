"""The manifest of a folder detects damage to its files.

test_checkpoints.py damages every file of a checkpoint in every way.
"""

import pathlib

import pytest

from vaegan_jax.files import checksums


@pytest.fixture
def folder(tmp_path):
  (tmp_path / 'deep' / 'er').mkdir(parents=True)
  (tmp_path / 'a.txt').write_text('one')
  (tmp_path / 'deep' / 'b.bin').write_bytes(bytes(range(256)))
  (tmp_path / 'deep' / 'er' / 'empty').touch()
  checksums.write(tmp_path, about={'step': 7})
  return tmp_path


def test_an_intact_folder_returns_what_the_manifest_says(folder):
  assert checksums.verify(folder) == {'step': 7}


def test_an_added_file_is_reported(folder):
  (folder / 'deep' / 'more').touch()
  with pytest.raises(checksums.Damaged, match='deep/more is not in'):
    checksums.verify(folder)


def test_swapped_files_are_reported(folder):
  (folder / 'a.txt').rename(folder / 'c')
  (folder / 'deep' / 'b.bin').rename(folder / 'a.txt')
  (folder / 'c').rename(folder / 'deep' / 'b.bin')
  with pytest.raises(checksums.Damaged, match=r'a\.txt'):
    checksums.verify(folder)


@pytest.mark.parametrize('text', ['', '[]', '7', '{"format": 2}', '[' * 99_999])
def test_a_broken_manifest_is_reported(folder, text):
  (folder / checksums.NAME).write_text(text)
  with pytest.raises(checksums.Damaged, match=checksums.NAME):
    checksums.verify(folder)


def test_an_incomplete_manifest_is_reported(folder):
  for body in ({'format': 1}, {'format': 1, 'about': {}, 'files': []}):
    (folder / checksums.NAME).write_text(checksums._text(body))
    with pytest.raises(checksums.Damaged, match=checksums.NAME):
      checksums.verify(folder)


def test_a_file_that_cannot_be_read_is_damage(folder, monkeypatch):
  def fail(path):
    raise OSError(5, 'Input/output error', str(path))

  monkeypatch.setattr(checksums, 'file_digest', fail)
  with pytest.raises(
    checksums.Damaged, match=r'a\.txt cannot be read .*output'
  ):
    checksums.verify(folder)


@pytest.mark.parametrize('which', ['a.txt', checksums.NAME])
def test_a_file_that_may_not_be_opened_is_not_taken_for_damage(
  folder, which, monkeypatch
):
  def refuse(path, *_, **__):
    raise PermissionError(13, 'Permission denied', str(path))

  if which == checksums.NAME:
    monkeypatch.setattr(pathlib.Path, 'read_text', refuse)
  else:
    monkeypatch.setattr(checksums, 'file_digest', refuse)
  with pytest.raises(PermissionError):
    checksums.verify(folder)
