"""Links, commands, flags and paths in the documents are valid."""

import importlib.util
import pathlib
import re

import pytest

from experiments.configs import celeba, reproduce_faces
from tests import ROOT

DOCUMENTS = sorted([*ROOT.glob('*.md'), *(ROOT / 'docs').rglob('*.md')])
TEXTS = {path: path.read_text() for path in DOCUMENTS}

documents = pytest.mark.parametrize(
  'path', DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT))
)


def anchors(path):
  """Returns the anchors that GitHub gives the headings of a document."""
  headings = re.findall(r'^#+ (.+)$', path.read_text(), re.MULTILINE)
  plain = [re.sub(r'[^\w\- ]', '', heading.lower()) for heading in headings]
  return {heading.replace(' ', '-') for heading in plain}


@documents
def test_links_lead_to_existing_files_and_headings(path):
  for link in re.findall(r'\]\(((?!http)[^)]+)\)', TEXTS[path]):
    file, _, anchor = link.partition('#')
    target = path.parent / file if file else path
    assert target.exists(), link
    assert not anchor or anchor in anchors(target), link


@documents
def test_commands_name_existing_modules(path):
  for module in set(re.findall(r'python -m ([\w.]+)', TEXTS[path])):
    assert importlib.util.find_spec(module.rstrip('.')), module


@documents
def test_commands_use_existing_flags(path):
  text = TEXTS[path].replace('\\\n', ' ')
  command = r'python -m ((?:benchmarks|experiments)\.\w+)([^\n`]*)'
  for module, words in re.findall(command, text):
    source = pathlib.Path(importlib.util.find_spec(module).origin).read_text()
    for flag in re.findall(r' --(\w+)', words):
      assert flag in ('config', 'help') or f"'{flag}'" in source, flag


@documents
def test_make_commands_name_existing_targets(path):
  makefile = (ROOT / 'Makefile').read_text()
  targets = re.findall(r'^([\w-]+):', makefile, re.MULTILINE)
  named = re.findall(r'(?:^ *|`)make ([\w-]+)', TEXTS[path], re.MULTILINE)
  assert set(named) <= set(targets)


@documents
def test_config_flags_name_existing_settings(path):
  configs = celeba.get_config(), reproduce_faces.get_config()
  for name in set(re.findall(r'(?:--|`)config\.([a-z][\w.]*)', TEXTS[path])):
    if not name.endswith('json'):
      keys = name.rstrip('.').split('.')
      assert any(has(config, keys) for config in configs), name


def has(config, keys):
  """Returns whether a nested config has the setting."""
  for key in keys:
    if not hasattr(config, 'keys') or key not in config:
      return False
    config = config[key]
  return True


@documents
def test_paths_in_the_documents_exist(path):
  folders = 'benchmarks|experiments|tests|vaegan_jax'
  pattern = rf'\b(?:{folders})/[\w./]+\.(?:py|sh)\b(?!::)'
  for name in set(re.findall(pattern, TEXTS[path])):
    assert (ROOT / name).exists(), name


def test_the_tests_of_the_promises_exist():
  text = TEXTS[ROOT / 'docs' / 'reliability.md']
  named = re.findall(r'((?:\w+/)*test_\w+\.py)::(\w+)', text)
  assert len(named) > 40
  for file, name in named:
    assert f'def {name}(' in (ROOT / 'tests' / file).read_text(), name


def test_every_promise_names_a_test():
  text = TEXTS[ROOT / 'docs' / 'reliability.md']
  tables = text.split('| promise | test |\n|---|---|\n')[1:]
  rows = [row for table in tables for row in table.split('\n\n')[0].split('\n')]
  assert len(rows) > 30
  for row in filter(None, rows):
    assert '::' in row or row.endswith('| the same |'), row


def test_the_readmes_map_names_every_package():
  tree = TEXTS[ROOT / 'README.md'].split('## Map')[1].split('## ')[0]
  packages = [
    path.parent.name for path in ROOT.glob('vaegan_jax/*/__init__.py')
  ]
  assert len(packages) > 9
  assert not [name for name in packages if f'{name}/' not in tree]


def test_the_site_reaches_every_page():
  pages = [
    str(path.relative_to(ROOT / 'docs').with_suffix(''))
    for path in DOCUMENTS
    if ROOT / 'docs' in path.parents
  ]
  index = (ROOT / 'docs' / 'index.md').read_text()
  listed = re.findall(r'^[\w/-]+$', index, re.MULTILINE)
  assert sorted([*listed, 'index']) == sorted(pages)


def test_excerpts_of_code_are_there():
  text = (ROOT / 'docs' / 'algorithm.md').read_text()
  excerpts = re.findall(r'```{literalinclude} (.*)\n((?::.*\n)*)', text)
  assert len(excerpts) > 5
  for file, options in excerpts:
    code = (ROOT / 'docs' / file).read_text()
    _, start, end = re.split(r':start-at: |:end-before: ', options)
    start, end = (line.strip().strip('"') for line in (start, end))
    assert start in code, start
    assert end in code.split(start, 1)[1], end


def test_workflows_call_existing_targets():
  makefile = (ROOT / 'Makefile').read_text()
  flows = [p.read_text() for p in ROOT.glob('.github/workflows/*.yml')]
  called = re.findall(r'make (\w+)', ''.join(flows))
  assert called
  for target in called:
    assert f'\n{target}: ' in makefile, target
