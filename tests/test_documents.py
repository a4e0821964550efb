"""What the documents name exists."""

import re

import pytest

from tests import ROOT

DOCUMENTS = sorted([*ROOT.glob('*.md'), *(ROOT / 'docs').glob('*.md')])


@pytest.mark.parametrize('path', DOCUMENTS, ids=lambda path: path.name)
def test_all_files_that_a_document_links_exist(path):
  links = re.findall(r'\]\(((?!http)[^)#]+)\)', path.read_text())
  for link in links:
    assert (path.parent / link).exists(), link


def test_the_tests_that_hold_a_promise_exist():
  text = (ROOT / 'docs' / 'reliability.md').read_text()
  text = text.split('## Latest figures')[0]
  named = re.findall(r'((?:\w+/)*test_\w+\.py)::(\w+)', text)
  assert len(named) > 40
  for file, name in named:
    assert f'def {name}(' in (ROOT / 'tests' / file).read_text(), name
  rows = [line for line in text.splitlines() if line.startswith('| ')]
  promises = [row for row in rows if 'test' in row.rpartition('|')[0]]
  assert all('::' in row or row == '| promise | test |' for row in promises)


def test_the_readmes_map_names_every_room():
  text = (ROOT / 'README.md').read_text()
  tree = text.split('## The map')[1].split('## ')[0]
  rooms = [path.parent.name for path in ROOT.glob('vaegan_jax/*/__init__.py')]
  assert len(rooms) > 9
  assert not [room for room in rooms if f'{room}/' not in tree]
