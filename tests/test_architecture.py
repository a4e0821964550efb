"""The plan of the house: imports go down, nothing forbidden comes in."""

import ast
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
FLOORS = {
  'atomic': -1,
  'clock': -1,
  'collapse': -1,
  'preemption': 0,
  'lock': 0,
  'parallel': 0,
  'hosts': 1,
  'serialisation': 1,
  'cpu': -1,
  'convolution': 0,
  'normalisation': -1,
  'layers': 1,
  'networks': 2,
  'losses': 1,
  'state': 3,
  'optimizers': 1,
  'data': 1,
  'streams': 1,
  'objectives': 3,
  'algorithm': 4,
  'manifest': 0,
  'checkpoints': 4,
  'records': 4,
  'step': 5,
  'limits': 5,
  'settings': 6,
  'observation': 7,
  'inference': 7,
  'report': 8,
  'evaluation': 9,
  'preparation': 8,
  'training': 9,
  'planning': 9,
}
FILES = sorted((ROOT / 'vaegan_jax').rglob('*.py'))


def room(path):
  return path.relative_to(ROOT / 'vaegan_jax').with_suffix('').parts[0]


def imported_rooms(path):
  for node in ast.walk(ast.parse(path.read_text())):
    if isinstance(node, ast.ImportFrom) and node.module:
      parts = node.module.split('.')
      if parts == ['vaegan_jax']:
        yield from (alias.name for alias in node.names)
      elif parts[0] == 'vaegan_jax':
        yield parts[1]
      elif parts[0] == 'experiments':
        yield 'experiments'


@pytest.mark.parametrize('path', FILES, ids=lambda p: p.stem)
def test_imports_go_down(path):
  if path == ROOT / 'vaegan_jax' / '__init__.py':
    return
  here = FLOORS[room(path)]
  for other in imported_rooms(path):
    assert other in FLOORS, f'{other} stands in no room'
    # Within a floor only a package's own files import each other.
    same = other == room(path)
    assert FLOORS[other] < here or same, f'{path.name} imports {other}'


@pytest.mark.parametrize('path', FILES, ids=lambda p: p.stem)
def test_no_file_is_long(path):
  assert len(path.read_text().splitlines()) <= 320


def test_tensorflow_and_tfds_do_not_come_with_the_library():
  program = (
    'import sys, vaegan_jax, vaegan_jax.training;'
    'print([m for m in ("tensorflow", "tensorflow_datasets")'
    ' if m in sys.modules])'
  )
  result = subprocess.run(
    [sys.executable, '-c', program], capture_output=True, text=True, check=True
  )
  assert result.stdout.strip() == '[]'
