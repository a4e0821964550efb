"""The wheel holds the library, whole and alone, and works from any folder."""

import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile

import pytest
import yaml

import vaegan_jax
from tests import ROOT

SOURCES = ('setup.cfg', 'pyproject.toml', 'README.md', 'LICENSE')
CHECKS = """
import importlib.metadata, importlib.util, sys
assert vaegan_jax.__file__.startswith(sys.prefix), vaegan_jax.__file__
assert importlib.util.find_spec('experiments') is None
assert importlib.metadata.version('vaegan_jax') == vaegan_jax.__version__
print(again.shape)
"""


def test_the_version_is_that_of_the_citation_and_of_the_changelog():
  citation = yaml.safe_load((ROOT / 'CITATION.cff').read_text())
  assert citation['version'] == vaegan_jax.__version__
  changes = (ROOT / 'CHANGELOG.md').read_text()
  assert f'## {vaegan_jax.__version__}' in changes


def build(hook, folder, *, into):
  """Calls a hook of PEP 517; returns the path of what it makes."""
  program = (
    'import sys; from setuptools import build_meta;'
    f'print("made", build_meta.{hook}(sys.argv[1]))'
  )
  made = subprocess.run(
    [sys.executable, '-c', program, str(into)],
    cwd=folder,
    capture_output=True,
    text=True,
    check=False,
  )
  assert made.returncode == 0, made.stderr[-3000:]
  return into / made.stdout.split()[-1]


@pytest.fixture(scope='module')
def wheel(tmp_path_factory):
  """A wheel that is made of the sdist, as `python -m build` does."""
  folder = tmp_path_factory.mktemp('packaging')
  clone = folder / 'clone'
  clone.mkdir()
  for name in SOURCES:
    shutil.copy(ROOT / name, clone)
  for name in ('vaegan_jax', 'experiments', 'benchmarks', 'tests'):
    ignored = shutil.ignore_patterns('__pycache__')
    shutil.copytree(ROOT / name, clone / name, ignore=ignored)
  sdist = build('build_sdist', clone, into=folder)
  with tarfile.open(sdist) as archive:
    archive.extractall(folder, filter='data')
  unpacked = folder / sdist.name.removesuffix('.tar.gz')
  return build('build_wheel', unpacked, into=folder)


@pytest.mark.slow
def test_the_wheel_holds_the_library_alone_with_all_its_files(wheel):
  names = set(zipfile.ZipFile(wheel).namelist())
  about = f'vaegan_jax-{vaegan_jax.__version__}.dist-info'
  assert {name.split('/')[0] for name in names} == {'vaegan_jax', about}
  for path in (ROOT / 'vaegan_jax').rglob('*.*'):
    name = path.relative_to(ROOT).as_posix()
    wanted = '/pictures/' not in name and '__pycache__' not in name
    assert (name in names) == wanted, name


@pytest.mark.slow
def test_the_readmes_example_runs_from_the_wheel_in_any_folder(wheel, tmp_path):
  venv.create(tmp_path / 'venv', with_pip=False)
  python = tmp_path / 'venv' / 'bin' / 'python'
  (packages,) = (tmp_path / 'venv').glob('lib/*/site-packages')
  subprocess.run(
    [sys.executable, '-m', 'pip', '--python', str(python), 'install',
     '--quiet', '--no-deps', '--no-index', str(wheel)],
    check=True,
  )  # fmt: skip
  # The dependencies are those of this environment, without its own packages.
  others = [path for path in sys.path if path.endswith('-packages')]
  (packages / 'dependencies.pth').write_text('\n'.join(others))
  readme = (ROOT / 'README.md').read_text()
  program = readme.split('```python\n')[1].split('```')[0] + CHECKS
  environment = {k: v for k, v in os.environ.items() if k != 'PYTHONPATH'}
  elsewhere = tmp_path / 'elsewhere'
  elsewhere.mkdir()
  run = subprocess.run(
    [str(python), '-c', program],
    cwd=elsewhere,
    env=environment | {'JAX_PLATFORMS': 'cpu'},
    capture_output=True,
    text=True,
    check=False,
  )
  assert run.returncode == 0, run.stderr[-3000:]
  assert run.stdout == '(8, 64, 64, 3)\n'
