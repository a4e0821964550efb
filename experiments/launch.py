"""What every launcher does first, and how it says what went wrong."""

from __future__ import annotations

import atexit
import contextlib
import functools
import logging as std_logging
import os
import pathlib
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

from absl import app, logging

from experiments import memory, overrides
from vaegan_jax.distributed import preemption

# Whether this process was asked to end; a process has one handler of signals.
NOTICE = preemption.Notice()

_HELP = ('-help', '--help', '-?')

# Of compiled programs that are kept; those of one run take a few megabytes.
_KEPT_BYTES = 1 << 30

# JAX's own limit of a second leaves out a dozen small programs of each start.
_WORTH_KEEPING = 0.2


def run(main: Callable[[list[str]], None]) -> None:
  """Runs a launcher. Help comes first: it need not wait for the config."""
  program, *words = sys.argv
  words.sort(key=lambda word: not word.startswith(_HELP))
  helps = bool(words) and words[0].startswith(_HELP)
  if not helps:
    memory.keep()
  with NOTICE.handle_signals():
    if not helps:
      try:
        overrides.check(words)
      except ValueError as error:
        _end(1, error)
    app.run(main, argv=[program, *words])


def refuse_arguments(argv: list[str]) -> None:
  """Refuses words that are no flags, which would go unnoticed."""
  if argv[1:]:
    raise app.UsageError(f'unexpected arguments: {" ".join(argv[1:])}')


@contextlib.contextmanager
def session(*, join: Mapping[str, Any] | None = None) -> Iterator[None]:
  """Shows progress, keeps what is compiled, ends in one line on an error.

  The exit codes are those of sysexits.h where it has one: 1 what was asked
  cannot be done, 70 training diverged, 74 a disk failed, 75 the folder is in
  use or another process of the run was lost (another try may do); after SIGTERM
  143, after Ctrl-C 130.

  Args:
    join: with what to join the other processes of a run (processes.initialize).
  """
  import jax

  from vaegan_jax.data import cache
  from vaegan_jax.distributed import processes
  from vaegan_jax.files import lock

  # Orbax tells all it does; of others only warnings are of interest.
  logging.set_verbosity(logging.WARNING)
  logging.use_absl_handler()
  std_logging.getLogger('vaegan_jax').setLevel(std_logging.INFO)
  std_logging.getLogger('experiments').setLevel(std_logging.INFO)
  memory.compute_here()
  if 'JAX_COMPILATION_CACHE_DIR' not in os.environ:
    _keep_programs(cache.default_directory() / 'compiled')
  end = functools.partial(_end, end=processes.exit_process)
  try:
    if join is not None:
      _join(join)
    yield
    jax.distributed.shutdown()
  except preemption.Preempted:
    jax.distributed.shutdown()
    raise
  except FloatingPointError as error:
    end(70, error)
  except (lock.Locked, processes.ProcessLost) as error:
    end(75, error)
  except OSError as error:
    # Without a number it is our own: something that the user must name.
    ours = isinstance(error, FileNotFoundError) and error.errno is None
    end(1 if ours else 74, error)
  except ValueError as error:
    end(1, error)


def _join(arguments: Mapping[str, Any]) -> None:
  """Joins the other processes, and leaves it to the first to say what it does.

  Whatever ends this process early, it does not wait for the others, which
  would wait for it.
  """
  import jax

  from vaegan_jax.distributed import processes

  processes.initialize(**arguments)
  # JAX registered its own before, which is thus called after this one.
  atexit.register(
    lambda: jax.distributed.is_initialized() and processes.exit_process(1)
  )
  if not processes.is_primary():
    std_logging.getLogger('vaegan_jax').setLevel(std_logging.WARNING)


def _end(
  code: int, error: Exception, *, end: Callable[[int], NoReturn] = sys.exit
) -> NoReturn:
  with contextlib.suppress(OSError):  # what is full may be the log's disk
    print(f'Error: {error}', file=sys.stderr)
  end(code)


def _keep_programs(folder: pathlib.Path) -> None:
  """Has JAX keep what it compiles in a folder, which cannot grow for ever."""
  import jax

  drop_oldest(folder, limit=_KEPT_BYTES)
  jax.config.update('jax_compilation_cache_dir', str(folder))
  jax.config.update(
    'jax_persistent_cache_min_compile_time_secs', _WORTH_KEEPING
  )


def drop_oldest(folder: pathlib.Path, *, limit: int) -> None:
  """Removes the files used longest ago until a folder holds `limit` bytes.

  JAX's own limit (jax_compilation_cache_max_size) wants one more package, and
  stores nothing in a folder that was once written to without it.
  """
  with contextlib.suppress(OSError):  # another run may be at it
    found = [(file, file.stat()) for file in folder.glob('*-cache')]
    found.sort(key=lambda pair: max(pair[1].st_atime, pair[1].st_mtime))
    excess = sum(about.st_size for _, about in found) - limit
    for file, about in found:
      if excess <= 0:
        break
      file.unlink(missing_ok=True)
      excess -= about.st_size
