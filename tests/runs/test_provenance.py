"""What a run was started with."""

import subprocess
import sys

import vaegan_jax
from vaegan_jax.runs import provenance


def test_it_names_command_version_and_commit(monkeypatch):
  words = ['/usr/bin/python3', '-m', 'experiments.train', '--workdir=a b']
  monkeypatch.setattr(sys, 'orig_argv', words)
  found = provenance.read()
  assert found['command'] == "python -m experiments.train '--workdir=a b'"
  assert found['version'] == vaegan_jax.__version__
  head = subprocess.run(
    ['git', 'rev-parse', 'HEAD'], capture_output=True, check=True, text=True
  ).stdout
  assert head.startswith(found['commit'].removesuffix('-dirty'))


def test_there_is_no_commit_without_a_clone(monkeypatch, tmp_path):
  monkeypatch.setattr(provenance, '__file__', str(tmp_path / 'provenance.py'))
  assert provenance.read().keys() == {'command', 'version'}
  # The tree of another project.
  subprocess.run(['git', 'init', '--quiet', str(tmp_path)], check=True)
  assert provenance.read().keys() == {'command', 'version'}
  monkeypatch.setenv('PATH', '')
  assert provenance.read().keys() == {'command', 'version'}
