"""Starts launchers within milliseconds, to be killed: imports once, then forks.

    with forks.Nursery() as nursery:
      child = nursery.start('experiments.train', '--config=...', log=path)
      os.kill(child, signal.SIGKILL)
      code = nursery.wait()

Nothing of JAX but its import comes before the fork, so that a child is what a
new process would be.
"""

import json
import os
import resource
import runpy
import shutil
import subprocess
import sys

from experiments import memory
from tests import ROOT

APPEND = os.O_CREAT | os.O_APPEND | os.O_WRONLY

# Those of the tests: to compile fast.
FLAGS = {'XLA_FLAGS': os.environ.get('XLA_FLAGS', '')}


class Nursery:
  """Owns a process that forks others."""

  def __init__(self):
    self._last = None

  def __enter__(self):
    self._server = subprocess.Popen(
      [sys.executable, '-m', __name__],
      stdin=subprocess.PIPE,
      stdout=subprocess.PIPE,
      text=True,
      cwd=ROOT,
    )
    return self

  def __exit__(self, *_):
    self._server.stdin.close()
    self._server.wait()

  def start(self, module, *words, log, largest=None, **environment):
    """Starts a module as a program; gives the number of its process.

    Args:
      module: 'experiments.train'.
      words: its arguments.
      log: the file that gets what it prints.
      largest: bytes that a file may get, but for the log, as if the disk were
        full then; the log is then written by whoever waits for the end.
      environment: variables.
    """
    order = {
      'argv': [module, *map(str, words)],
      'log': str(log),
      'largest': largest,
      'environment': {**FLAGS, **environment},
    }
    self._last = self._ask({'become': order})
    return self._last

  def wait(self, process=None):
    """Waits for the end of a process, the last if none is named.

    Returns:
      its exit code, or less than 0: the signal.
    """
    return self._ask({'wait': process or self._last})

  def _ask(self, order):
    self._server.stdin.write(json.dumps(order) + '\n')
    self._server.stdin.flush()
    return int(self._server.stdout.readline())

  def run(self, *args, **kwargs):
    """Starts a program and waits for its end."""
    self.start(*args, **kwargs)
    return self.wait()


def serve():
  """Forks as it is told, until its input ends."""
  import tensorboardX  # noqa: F401

  import vaegan_jax.evaluation.suite
  import vaegan_jax.training.loop  # noqa: F401

  logs = {}
  for line in sys.stdin:
    order = json.loads(line)
    if 'wait' in order:
      copy(*logs.pop(order['wait']))
      _, status = os.waitpid(order['wait'], 0)
      print(os.waitstatus_to_exitcode(status), flush=True)
      continue
    log, limited = order['become'].pop('log'), order['become']['largest']
    read, write = os.pipe() if limited else (None, os.open(log, APPEND))
    child = os.fork()
    if not child:
      return become(**order['become'], output=write)
    os.close(write)
    logs[child] = read, log
    print(child, flush=True)
  return None


def copy(pipe, log):
  """Writes what comes through a pipe, if there is one, until it is closed."""
  if pipe is not None:
    with open(pipe, 'rb') as source, open(log, 'ab') as file:
      shutil.copyfileobj(source, file)


def become(*, argv, output, largest, environment):
  """Turns this process into a launcher, which writes where `output` leads."""
  os.environ.update(environment)
  for descriptor in (1, 2):
    os.dup2(output, descriptor)
  if largest is not None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))
  sys.argv = argv
  runpy.run_module(argv[0], run_name='__main__', alter_sys=True)


if __name__ == '__main__':
  # Here: a fork cannot start itself once more.
  memory.keep()
  serve()
