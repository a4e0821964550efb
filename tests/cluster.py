"""Several processes of one run on this machine, each with devices of its own.

They meet at a port of the loopback, and XLA moves their numbers by gloo.
"""

import os
import signal
import socket


class Cluster:
  """Starts the processes of a run.

  Args:
    world: where it happens.
    name: of the run's folder, or of a module that is started instead.
    count: of processes.
    devices: of each process.
    flags: more of them.
  """

  def __init__(self, world, name, count, *, devices=1, flags=()):
    self._world, self.logs = world, []
    with socket.socket() as found:
      found.bind(('127.0.0.1', 0))
      port = found.getsockname()[1]
    module = name if name.startswith('tests.') else 'experiments.train'
    words = [] if module == name else world.words(name)
    self.processes = []
    for i in range(count):
      log = world.root / f'log-{i}'
      log.unlink(missing_ok=True)
      self.logs.append(log)
      self.processes.append(
        world.nursery.start(
          module,
          *words,
          '--multihost',
          f'--coordinator=127.0.0.1:{port}',
          f'--processes={count}',
          f'--process={i}',
          *flags,
          log=log,
          XLA_FLAGS=f'{os.environ["XLA_FLAGS"]} {devices_flag(devices)}',
        )
      )

  def send(self, index, number=signal.SIGKILL):
    """Sends a signal to one of them."""
    os.kill(self.processes[index], number)

  def wait(self):
    """Waits until all have ended; gives their exit codes."""
    return [self._world.nursery.wait(p) for p in self.processes]

  def printed(self, index=None):
    """Gives what one of them has printed, or all."""
    logs = self.logs if index is None else [self.logs[index]]
    return '\n'.join(log.read_text(errors='replace') for log in logs)


def devices_flag(count):
  """Makes XLA see so many devices in one process."""
  return f'--xla_force_host_platform_device_count={count}'
