"""Starts runs, interrupts them at chosen moments, compares their results."""

import contextlib
import hashlib
import os
import pathlib
import signal
import time

import jax
import numpy as np
import psutil
from PIL import Image

from tests import small
from vaegan_jax.runs import checkpoints, records

STEPS = 24
CHANGES = {
  **small.CALM,
  'steps': STEPS,
  'picture_every': 8,
  'save_every': 4,
  'data.source': 'folder',
}

_CONFIG = """
from tests import small
from vaegan_jax.config import schema

def get_config():
  return schema.change(small.config(), {changes!r})
"""


class World:
  """A config and its data, and a server that starts runs of it."""

  def __init__(self, root, server):
    self.root, self.server = root, server
    self.cache, self.log = root / 'cache', root / 'log'
    self._config = root / 'config.py'
    for split, count in {'train': 20, 'test': 24}.items():
      _write_images(root / 'images' / split, count)
    paths = {'data.path': str(root / 'images'), 'data.cache': str(self.cache)}
    self._config.write_text(_CONFIG.format(changes={**CHANGES, **paths}))

  def start(self, name, *flags, module='train', **kwargs):
    """Starts a launcher for a folder; returns the number of its process."""
    words = self.flags(name) if module == 'train' else self.flags(name)[:1]
    self.log.unlink(missing_ok=True)
    kwargs.setdefault('log', self.log)
    return self.server.start(f'experiments.{module}', *words, *flags, **kwargs)

  def flags(self, name):
    """Returns the flags that train in a folder."""
    return f'--workdir={self.root / name}', f'--config={self._config}'

  def run(self, name, *flags, **kwargs):
    """Starts a launcher, and waits for its exit code."""
    self.start(name, *flags, **kwargs)
    return self.server.wait()

  def printed(self):
    """Returns what the last launcher has printed."""
    return self.log.read_text(errors='replace') if self.log.exists() else ''


def wait_until(condition, *, seconds=120.0):
  """Waits until a condition holds; returns whether it did in time."""
  end = time.monotonic() + seconds
  while time.monotonic() < end:
    if condition():
      return True
    time.sleep(0.002)
  return False


def is_alive(process):
  """Returns whether a process has not ended yet."""
  try:
    return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
  except psutil.NoSuchProcess:
    return False


def kill(world, process, condition, *, delay=0.0):
  """Kills a process when a condition holds; returns its exit code.

  The process may end before.
  """
  wait_until(lambda: condition() or not is_alive(process))
  time.sleep(delay)
  with contextlib.suppress(ProcessLookupError):
    os.kill(process, signal.SIGKILL)
  return world.server.wait()


def saving(folder, *, after=0):
  """Returns a condition: a new checkpoint is being written.

  Args:
    folder: of the run.
    after: the number of complete checkpoints that are there already.
  """
  before = set((folder / 'checkpoints').glob('.writing-*'))

  def condition():
    new = set((folder / 'checkpoints').glob('.writing-*')) - before
    return bool(new) and len(steps(folder)) >= after

  return condition


def reached(folder, step):
  """Returns a condition: a process started from now on has logged a step."""
  path = folder / records.METRICS
  before = path.exists() and path.stat().st_ino

  def condition():
    # A start replaces the file by one without the rows to be repeated.
    new = path.exists() and path.stat().st_ino != before
    return new and len(records.read_rows(path)) >= step

  return condition


def steps(folder):
  """Lists the checkpoints."""
  return checkpoints._steps(folder / 'checkpoints')


def partial_files(folder):
  """Lists what is neither a complete checkpoint nor hidden."""
  names = (path.name for path in (folder / 'checkpoints').glob('*'))
  return [n for n in names if not n.isdecimal() and not n.startswith('.')]


def assert_complete(folder, expected):
  """Asserts that a run logged every step once and has the expected results."""
  rows = records.read_rows(folder / records.METRICS)
  assert [row['step'] for row in rows] == list(range(1, STEPS + 1))
  assert digests(folder) == expected


def digests(folder: pathlib.Path):
  """Returns digests of all that a run computed: state, metrics, pictures."""
  state = checkpoints.load(folder).state
  found = {
    jax.tree_util.keystr(path): _sha256(np.asarray(leaf).tobytes())
    for path, leaf in jax.tree.leaves_with_path(state)
  }
  files = sorted((folder / 'figures').glob('*.png'))
  for path in (folder / records.METRICS, *files):
    found[path.name] = _sha256(path.read_bytes())
  return found


def _write_images(folder, count):
  folder.mkdir(parents=True)
  draw = np.random.default_rng(count)
  for i in range(count):
    pixels = draw.integers(0, 256, (16, 16, 3), np.uint8)
    Image.fromarray(pixels).save(folder / f'{i}.png')


def _sha256(content):
  return hashlib.sha256(content).hexdigest()
