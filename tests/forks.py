"""Starts launchers within milliseconds by forking a process with its imports.

    with forks.ForkServer() as server:
      process = server.start('experiments.train', '--config=...', log=path)
      os.kill(process, signal.SIGKILL)
      code = server.wait()

The fork precedes every use of JAX, so a child is like a new process.
"""

import json
import os
import pathlib
import resource
import runpy
import subprocess
import sys

from tests import ROOT

# The flags of the tests, which make XLA compile fast.
FLAGS = {'XLA_FLAGS': os.environ.get('XLA_FLAGS', '')}


class ForkServer:
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

  def start(self, module, *words, log, max_file_size=None, **environment):
    """Starts a module as a program.

    Args:
      module: such as 'experiments.train'.
      words: its arguments.
      log: the file for its output.
      max_file_size: bytes; a larger file fails, as on a full disk.
      environment: variables.

    Returns:
      the number of the process.
    """
    self._last = self._request(
      argv=[module, *map(str, words)],
      log=str(log),
      max_file_size=max_file_size,
      environment={**FLAGS, **environment},
    )
    return self._last

  def wait(self, process=None):
    """Waits for the end of a process, by default the last one.

    Returns:
      its exit code; a signal's number is negative.
    """
    return self._request(wait=process or self._last)

  def _request(self, **request):
    self._server.stdin.write(json.dumps(request) + '\n')
    self._server.stdin.flush()
    return int(self._server.stdout.readline())


def serve():
  """Answers requests until the input ends."""
  import tensorboardX  # noqa: F401

  import vaegan_jax.evaluation.suite
  import vaegan_jax.training.loop  # noqa: F401

  pipes = {}
  for line in sys.stdin:
    request = json.loads(line)
    if 'wait' in request:
      process = request['wait']
      if process in pipes:
        pipe, log = pipes.pop(process)
        with os.fdopen(pipe, 'rb') as printed:
          pathlib.Path(log).write_bytes(printed.read())
      _, status = os.waitpid(process, 0)
      print(os.waitstatus_to_exitcode(status), flush=True)
      continue
    pipe, output = _open_output(**request)
    if child := os.fork():
      if pipe is not None:
        pipes[child] = pipe, request['log']
      os.close(output)
      print(child, flush=True)
    else:
      return become(output, **request)
  return None


def _open_output(*, log, max_file_size, **_):
  """Opens the log, or a pipe if the limit of files would cut it.

  Returns:
    the end of the pipe to read from, if any, and where to write to.
  """
  if max_file_size is not None:
    return os.pipe()
  return None, os.open(log, os.O_CREAT | os.O_APPEND | os.O_WRONLY)


def become(output, *, argv, log, max_file_size, environment):
  """Turns this process into a launcher that writes to a descriptor."""
  del log
  os.environ.update(environment)
  for descriptor in (1, 2):
    os.dup2(output, descriptor)
  os.close(output)
  if max_file_size is not None:
    limits = max_file_size, max_file_size
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
  sys.argv = argv
  runpy.run_module(argv[0], run_name='__main__', alter_sys=True)


if __name__ == '__main__':
  serve()
