"""Runs that are killed, starved and disturbed, and what must come of them."""

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

from vaegan_jax.runs import checkpoints, records

STEPS = 24
CHANGES = {
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
  """A config, where it finds its data, and a process that starts runs of it."""

  def __init__(self, root, nursery, **changes):
    self.root, self.nursery = root, nursery
    self.cache, self.log = root / 'cache', root / 'log'
    self._config = root / 'config.py'
    for split, count in {'train': 20, 'test': 24}.items():
      _paint(root / 'images' / split, count)
    paths = {'data.path': str(root / 'images'), 'data.cache': str(self.cache)}
    changes = {name.replace('__', '.'): x for name, x in changes.items()}
    text = _CONFIG.format(changes={**CHANGES, **paths, **changes})
    self._config.write_text(text)

  def start(self, name, *flags, module='train', **kwargs):
    """Starts a launcher in a folder; gives its process."""
    words = self.words(name) if module == 'train' else self.words(name)[:1]
    self.log.unlink(missing_ok=True)
    kwargs.setdefault('log', self.log)
    return self.nursery.start(f'experiments.{module}', *words, *flags, **kwargs)

  def words(self, name):
    """Gives the flags that train in a folder."""
    return f'--workdir={self.root / name}', f'--config={self._config}'

  def run(self, name, *flags, **kwargs):
    """Starts a launcher and waits for its exit code."""
    self.start(name, *flags, **kwargs)
    return self.nursery.wait()

  def printed(self):
    """Gives what the last launcher printed so far."""
    return self.log.read_text(errors='replace') if self.log.exists() else ''


def when(condition, *, within=120.0):
  """Waits until something holds; says whether it did in time."""
  end = time.monotonic() + within
  while time.monotonic() < end:
    if condition():
      return True
    time.sleep(0.002)
  return False


def lives(process):
  """Says whether a process has not ended yet."""
  try:
    return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
  except psutil.NoSuchProcess:
    return False


def strike(world, process, condition, *, number=signal.SIGKILL, delay=0.0):
  """Sends a signal when a condition holds; gives the exit code.

  The process may have ended before.
  """
  when(lambda: condition() or not lives(process))
  time.sleep(delay)
  with contextlib.suppress(ProcessLookupError):
    os.kill(process, number)
  return world.nursery.wait()


def saving(folder, *, after=0):
  """Makes the condition that a checkpoint is being written, with others there.

  What an earlier process left is no sign of it.
  """
  before = set((folder / 'checkpoints').glob('.writing-*'))

  def condition():
    new = set((folder / 'checkpoints').glob('.writing-*')) - before
    return bool(new) and len(steps(folder)) >= after

  return condition


def reached(folder, step):
  """Makes the condition that a process started from now on is so far."""
  path = folder / records.METRICS
  before = path.exists() and path.stat().st_ino

  def condition():
    # A start replaces the file, without the rows that are done again.
    fresh = path.exists() and path.stat().st_ino != before
    return fresh and len(records.read_rows(path)) >= step

  return condition


def steps(folder):
  """Lists the checkpoints."""
  return checkpoints._steps(folder / 'checkpoints')


def half_files(folder):
  """Lists what is neither a whole checkpoint nor hidden."""
  names = (path.name for path in (folder / 'checkpoints').glob('*'))
  return [n for n in names if not n.isdecimal() and not n.startswith('.')]


def outcome(folder: pathlib.Path):
  """Digests all that a run computed: state, metrics, pictures."""
  found = {}
  _, state = checkpoints.load(folder)
  for path, leaf in jax.tree_util.tree_flatten_with_path(state)[0]:
    name = jax.tree_util.keystr(path, simple=True, separator='/')
    found[name] = _sha256(np.asarray(leaf).tobytes())
  metrics = folder / records.METRICS
  found[metrics.name] = _sha256(metrics.read_bytes())
  for picture in sorted((folder / 'figures').glob('*.png')):
    found[picture.name] = _sha256(picture.read_bytes())
  return found


def logged(folder):
  """Lists the steps of the rows."""
  return [row['step'] for row in records.read_rows(folder / records.METRICS)]


def _paint(folder, count):
  folder.mkdir(parents=True)
  draw = np.random.default_rng(count)
  for i in range(count):
    pixels = draw.integers(0, 256, (16, 16, 3), np.uint8)
    Image.fromarray(pixels).save(folder / f'{i}.png')


def _sha256(content):
  return hashlib.sha256(content).hexdigest()
