import os

import pytest

from tests.data.images.packing import make_folder
from vaegan_jax.data.images import trees

ENDINGS = ['jpg', 'JPEG', 'jfif', 'png', 'webp', 'bmp', 'gif', 'tif', 'TIFF']
SYSTEM = [
  *('@eaDir', '.thumbnails', '$RECYCLE.BIN', '.Trash-1000', '#recycle'),
  *('__MACOSX', 'System Volume Information', '.@__thumb', 'lost+found'),
]


def make(root, *names):
  return make_folder(root, dict.fromkeys(names, b''))


def test_names_end_as_those_of_images_in_any_case(tmp_path):
  names = [f'{i}.{ending}' for i, ending in enumerate(ENDINGS)]
  found = trees.scan(make(tmp_path, *names))
  assert found == (names, {})


def test_other_files_are_counted_by_their_ending(tmp_path):
  names = ['1.png', 'a.psd', 'b.PSD', 'deep/c.heic', 'README', 'table.csv']
  found = trees.scan(make(tmp_path, *names), known=('table.csv',))
  assert found.files == ['1.png']
  assert found.describe() == '2 .psd, 1 .heic, 1 without an ending'


@pytest.mark.parametrize('name', SYSTEM)
def test_the_systems_folders_hold_no_data(tmp_path, name):
  inside = [f'{name}/1.png/thumb.jpg', f'{name}/2.png', f'{name}/index.db']
  found = trees.scan(make(tmp_path, '1.png', *inside, f'a/{name}/3.png'))
  assert found.files == ['1.png']
  assert found.left_out == {f'in {name}/': 3}


def test_hidden_images_are_counted(tmp_path):
  found = trees.scan(make(tmp_path, '1.png', '._1.png', '.DS_Store'))
  assert found == (['1.png'], {'hidden': 1})


@pytest.mark.parametrize('mark', ['.lock', 'starts.jsonl', 'metrics.jsonl'])
def test_pictures_of_a_run_are_no_data(tmp_path, mark):
  names = ['config.json', mark, 'images/1.png', 'figures/deep/2.png']
  make(tmp_path / 'runs' / 'one', *names)
  found = trees.scan(make(tmp_path, '1.png', 'two/config.json', 'two/3.png'))
  assert found.files == ['1.png', 'two/3.png']
  assert found.left_out['in the folder of a run, runs/one/'] == 2
  assert not trees.scan(tmp_path / 'runs' / 'one').files


def test_a_folder_found_twice_is_counted_once(tmp_path):
  make(tmp_path / 'b', '1.png')
  (tmp_path / 'a').symlink_to(tmp_path / 'b', target_is_directory=True)
  (tmp_path / 'b' / 'loop').symlink_to(tmp_path, target_is_directory=True)
  found = trees.scan(tmp_path)
  assert found.files == ['b/1.png']  # by its own path, not by the link
  assert found.left_out['in folders found before'] >= 1


def test_a_folder_that_cannot_be_listed_is_counted(tmp_path, monkeypatch):
  def refuse(path):
    if 'secret' in str(path):
      raise PermissionError(13, 'Permission denied', path)
    return scandir(path)

  scandir = os.scandir
  monkeypatch.setattr(os, 'scandir', refuse)
  found = trees.scan(make(tmp_path, '1.png', 'secret/2.png'))
  assert found == (['1.png'], {'folders that cannot be listed': 1})
