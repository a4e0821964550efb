"""Starts the processes of one run on this machine, each with its devices.

They connect at a port of the loopback, and XLA moves their arrays by gloo.
"""

import os
import signal
import socket


class Cluster:
  """Starts the processes of a run.

  Args:
    world: where the run is.
    name: of the run's folder, or of a module to start instead.
    count: the number of processes.
    devices: of each process.
    flags: further flags.
  """

  def __init__(self, world, name, count, *, devices=1, flags=()):
    self._server = world.server
    self.logs = [world.root / f'log-{i}' for i in range(count)]
    with socket.socket() as found:
      found.bind(('127.0.0.1', 0))
      port = found.getsockname()[1]
    module = name if name.startswith('tests.') else 'experiments.train'
    words = () if module == name else world.flags(name)
    for log in self.logs:
      log.unlink(missing_ok=True)
    self.processes = [
      self._server.start(
        module,
        *words,
        '--multihost',
        f'--coordinator=127.0.0.1:{port}',
        f'--processes={count}',
        f'--process={i}',
        *flags,
        log=log,
        XLA_FLAGS=xla_flags(devices),
      )
      for i, log in enumerate(self.logs)
    ]

  def send(self, index, signum=signal.SIGKILL):
    """Sends a signal to a process."""
    os.kill(self.processes[index], signum)

  def wait(self):
    """Waits until all processes have ended; returns their exit codes."""
    return [self._server.wait(process) for process in self.processes]

  def printed(self, index=None):
    """Returns what one process has printed, or all."""
    logs = self.logs if index is None else [self.logs[index]]
    return '\n'.join(log.read_text(errors='replace') for log in logs)


def xla_flags(devices):
  """Returns the tests' flags and one for so many devices in a process."""
  count = f'--xla_force_host_platform_device_count={devices}'
  return f'{os.environ["XLA_FLAGS"]} {count}'
