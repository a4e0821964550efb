"""The plan of the house: imports go down, nothing forbidden comes in."""

import ast

import pytest

from tests import ROOT, devices

# Each room may import from those below it.
FLOORS = (
  ('planning',),
  ('training',),
  ('evaluation',),
  ('report',),
  ('loading',),
  ('inference',),
  ('codec',),
  ('arguments',),
  ('runs',),
  ('config',),
  ('data',),
  ('core',),
  ('distributed',),
  ('ops', 'files'),
)
FILES = sorted((ROOT / 'vaegan_jax').rglob('*.py'))
SCRIPTS = sorted((ROOT / 'vaegan_jax').rglob('*.js'))


def room(path):
  return path.relative_to(ROOT / 'vaegan_jax').with_suffix('').parts[0]


def imported_rooms(path):
  for node in ast.walk(ast.parse(path.read_text())):
    if isinstance(node, ast.Import):
      packages = [alias.name.split('.')[0] for alias in node.names]
      yield from (name for name in packages if name == 'experiments')
    elif isinstance(node, ast.ImportFrom) and node.module:
      parts = node.module.split('.')
      if parts == ['vaegan_jax']:
        yield from (alias.name for alias in node.names)
      elif parts[0] == 'vaegan_jax':
        yield parts[1]
      elif parts[0] == 'experiments':
        yield 'experiments'


def floor(name):
  [found] = [i for i, rooms in enumerate(reversed(FLOORS)) if name in rooms]
  return found


@pytest.mark.parametrize('path', FILES, ids=str)
def test_imports_go_down(path):
  if path == ROOT / 'vaegan_jax' / '__init__.py':
    return
  for other in imported_rooms(path):
    same = other == room(path)
    assert same or floor(other) < floor(room(path)), f'imports {other}'


@pytest.mark.parametrize('path', [*FILES, *SCRIPTS], ids=lambda p: p.name)
def test_no_file_is_long(path):
  assert len(path.read_text().splitlines()) <= 320


def test_tensorflow_and_tfds_do_not_come_with_the_library():
  program = (
    'import sys, vaegan_jax, vaegan_jax.training.loop;'
    'print([m for m in ("tensorflow", "tensorflow_datasets")'
    ' if m in sys.modules])'
  )
  assert devices.run(program) == '[]\n'
