"""What a run was started with: its command, version and commit."""

from __future__ import annotations

import pathlib
import shlex
import subprocess
import sys

import vaegan_jax


def read() -> dict[str, str]:
  """Returns 'command' and 'version', and 'commit' in a clone with git."""
  found = {
    'command': shlex.join(['python', *sys.orig_argv[1:]]),
    'version': vaegan_jax.__version__,
  }
  commit = _commit(pathlib.Path(__file__).parent)
  return found | ({'commit': commit} if commit else {})


def _commit(folder: pathlib.Path) -> str:
  """Returns the commit of the clone, with '-dirty' if files were changed."""
  # An installed package may lie in the tree of another project.
  tracked = ['ls-files', '--error-unmatch', pathlib.Path(__file__).name]
  described = ['describe', '--always', '--dirty', '--abbrev=12', '--exclude=*']
  try:
    _git(folder, tracked)
    return _git(folder, described).strip()
  except (OSError, subprocess.SubprocessError):
    return ''


def _git(folder: pathlib.Path, words: list[str]) -> str:
  return subprocess.run(
    ['git', '-C', str(folder), *words],
    capture_output=True,
    check=True,
    text=True,
    timeout=10,
  ).stdout
