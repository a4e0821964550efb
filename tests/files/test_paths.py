"""All paths that users give are read alike."""

import pathlib

import pytest

from vaegan_jax.files import paths


@pytest.fixture(autouse=True)
def surroundings(monkeypatch, tmp_path):
  monkeypatch.setenv('HOME', '/home/ada')
  monkeypatch.setenv('SCRATCH', '/scratch/ada')
  monkeypatch.delenv('UNSET', raising=False)
  monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
  ('given', 'expected'),
  [
    ('/runs/x', '/runs/x'),
    ('/runs/x/', '/runs/x'),
    (pathlib.Path('/runs/x'), '/runs/x'),
    ('~/runs/x', '/home/ada/runs/x'),
    ('~', '/home/ada'),
    ('$SCRATCH/x', '/scratch/ada/x'),
    ('${SCRATCH}/x', '/scratch/ada/x'),
    ('/runs/größe 1:2/日本', '/runs/größe 1:2/日本'),
    ('/runs/a~b', '/runs/a~b'),
    ('/runs/gs:/x', '/runs/gs:/x'),
  ],
)
def test_home_and_variables_are_expanded(given, expected):
  assert str(paths.absolute(given, name='x')) == expected


@pytest.mark.parametrize('given', ['x', './x', 'x/', 'run:1'])
def test_a_relative_path_begins_in_the_current_folder(given, tmp_path):
  path = paths.absolute(given, name='x')
  assert path == tmp_path / given


@pytest.mark.parametrize(
  ('given', 'message'),
  [
    *((f'{scheme}://a/b', f'{scheme}:/ is not a path of this machine')
      for scheme in ('gs', 's3', 'http', 'https', 'hdfs', 'file', 'abfs')),
    ('gs:/bucket', 'mount it'),
    ('10.0.0.2:/vaegan', 'mount it'),
    ('/runs/\ud800', 'this locale has .* set PYTHONUTF8=1'),
    ('', 'expected a path, but it is empty'),
    (' ', 'it is empty'),
    ('"/runs/x"', 'remove the blanks or quotes'),
    ('/runs/x\n', 'remove the blanks or quotes'),
    ('$UNSET/x', 'has no variable UNSET'),
    ('/runs/$(POD_NAME)', r'has no variable \(POD_NAME\)'),
    ('/runs/${UNSET}', r'has no variable \{UNSET\}'),
    ('~nobody_of_this_name/x', 'the home folder ~nobody_of_this_name is unk'),
  ],
)  # fmt: skip
def test_a_path_that_means_no_local_file_is_refused_by_name(given, message):
  with pytest.raises(ValueError, match=f'^--workdir = .*{message}'):
    paths.absolute(given, name='--workdir')


def test_an_unknown_home_is_refused(monkeypatch):
  monkeypatch.delenv('HOME')
  monkeypatch.setattr('pwd.getpwuid', lambda uid: {}[uid])
  with pytest.raises(ValueError, match='home folder ~ is unknown; set HOME'):
    paths.absolute('~/runs', name='x')


def test_the_cache_is_that_of_the_user(monkeypatch, tmp_path):
  monkeypatch.setenv('XDG_CACHE_HOME', '$SCRATCH/cache')
  assert str(paths.user_cache()) == '/scratch/ada/cache/vaegan_jax'
  monkeypatch.delenv('XDG_CACHE_HOME')
  monkeypatch.setenv('HOME', str(tmp_path))
  assert paths.user_cache() == tmp_path / '.cache' / 'vaegan_jax'


@pytest.mark.parametrize('home', ['/dev/null', '/nowhere/ada'])
def test_a_user_without_a_home_has_a_temporary_cache(
  home, monkeypatch, tmp_path, caplog
):
  monkeypatch.delenv('XDG_CACHE_HOME', raising=False)
  monkeypatch.setenv('HOME', home)
  monkeypatch.setattr('os.access', lambda path, mode: False)
  monkeypatch.setattr('tempfile.tempdir', str(tmp_path))
  paths._temporary_cache.cache_clear()
  folder = paths.user_cache()
  assert folder.parent == tmp_path
  assert folder.stat().st_mode & 0o777 == 0o700
  assert f'{home}/.cache/vaegan_jax cannot be written' in caplog.text
  monkeypatch.setattr('os.getuid', lambda: 1 + folder.stat().st_uid)
  (tmp_path / f'vaegan_jax-{1 + folder.stat().st_uid}').mkdir()
  paths._temporary_cache.cache_clear()
  with pytest.raises(ValueError, match='belongs to another user: set XDG_CACH'):
    paths.user_cache()
