"""What all launchers share: flag checks, logging, exit codes, the JAX setup."""

from __future__ import annotations

import atexit
import contextlib
import functools
import io
import logging as std_logging
import os
import pathlib
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NoReturn

from absl import app, flags, logging

from experiments import overrides
from vaegan_jax.distributed import preemption
from vaegan_jax.files import paths

# Set by SIGTERM and SIGINT; a process has one handler per signal.
NOTICE = preemption.Notice()

_HELP = ('-help', '--help', '-?')

# The programs that one run compiles take a few megabytes.
_CACHE_BYTES = 1 << 30

# Numbers are the same whatever the environment says: JAX_ENABLE_X64 and others.
_NUMERICS = {
  'jax_enable_x64': False,
  'jax_default_prng_impl': 'threefry2x32',
  'jax_threefry_partitionable': True,
  'jax_numpy_dtype_promotion': 'standard',
  'jax_numpy_rank_promotion': 'allow',
  'jax_disable_jit': False,
  'jax_random_seed_offset': 0,
}

# This one may be wanted, so it is only said.
_PRECISION = 'jax_default_matmul_precision'

# How XLA's errors of devices begin: another start may succeed.
_OF_DEVICES = ('INTERNAL', 'UNAVAILABLE', 'ABORTED', 'DATA_LOSS', 'UNKNOWN')

# JAX's default of 1 s skips a dozen small programs of each start.
_CACHED_COMPILE_SECONDS = 0.2


def run(main: Callable[[list[str]], None]) -> None:
  """Checks the flags and runs a launcher. Help skips the config, to be fast."""
  program, *words = sys.argv
  words.sort(key=lambda word: not word.startswith(_HELP))
  helps = bool(words) and words[0].startswith(_HELP)
  if isinstance(sys.stdout, io.TextIOWrapper):
    sys.stdout.reconfigure(errors='replace')  # an encoding may lack characters
  with NOTICE.handle_signals(), _survive_closed_stdout():
    if not helps:
      try:
        words = overrides.resolve(words)
      except (ValueError, flags.Error) as error:
        _end(1, error)
    sys.argv = [program, *words]  # where config_flags looks for settings
    app.run(main)


@contextlib.contextmanager
def _survive_closed_stdout() -> Iterator[None]:
  """Exits quietly where the reader of stdout has gone, as in `| head`."""
  try:
    try:
      yield
    finally:
      if sys.stdout is not None:
        sys.stdout.flush()
  except BrokenPipeError:
    # Python flushes once more when it exits.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(128 + signal.SIGPIPE)


def refuse_arguments(argv: list[str]) -> None:
  """Refuses arguments that are not flags, which absl would ignore."""
  if argv[1:]:
    raise app.UsageError(f'unexpected arguments: {" ".join(argv[1:])}')


@contextlib.contextmanager
def session(*, join: Mapping[str, Any] | None = None) -> Iterator[None]:
  """Logs progress, caches compiled programs, reports an error in one line.

  The exit codes are those of sysexits.h where it has one: 1 the request cannot
  be met, 70 training diverged, 74 a disk failed, 75 the folder is in use, a
  device failed or another process of the run was lost (a retry may succeed),
  143 after SIGTERM, 130 after Ctrl-C.

  Args:
    join: arguments of processes.initialize, for a run of several processes.
  """
  import jax

  from vaegan_jax.distributed import processes
  from vaegan_jax.files import lock

  # Orbax logs every action; other packages only matter when they warn.
  logging.set_verbosity(logging.WARNING)
  logging.use_absl_handler()
  std_logging.getLogger('vaegan_jax').setLevel(std_logging.INFO)
  std_logging.getLogger('experiments').setLevel(std_logging.INFO)
  end = functools.partial(_end, end=processes.exit_process)
  try:
    _withstand_environment()
    compute_on_calling_thread()
    _cache_programs()
    if join is not None:
      _join(join)
    _check_devices()
    yield
    jax.distributed.shutdown()
  except preemption.Preempted:
    jax.distributed.shutdown()
    raise
  except FloatingPointError as error:
    end(70, error)
  except (lock.Locked, processes.ProcessLost) as error:
    end(75, error)
  except BrokenPipeError:
    raise
  except PermissionError as error:
    end(1, f'{error}: let this user read or write it, or name another path')
  except OSError as error:
    # We raise FileNotFoundError without errno for a path that the user gave.
    ours = isinstance(error, FileNotFoundError) and error.errno is None
    end(1 if ours else 74, error)
  except (ValueError, MemoryError) as error:
    end(1, error)
  except jax.errors.JaxRuntimeError as error:
    if 'RESOURCE_EXHAUSTED' in str(error):
      end(1, error)
    if not str(error).startswith(_OF_DEVICES):
      raise
    traceback.print_exc()
    end(75, f'a device failed; the same command resumes the run. {error}')


def _withstand_environment() -> None:
  """Undoes what variables of the environment would change in our programs."""
  import jax

  # Pictures are drawn without a screen; notebooks export a backend of theirs.
  os.environ['MPLBACKEND'] = 'agg'
  for name, value in _NUMERICS.items():
    if (given := getattr(jax.config, name)) != value:
      logging.warning(
        '%s=%s is ignored: runs compute with %s.', name.upper(), given, value
      )
      jax.config.update(name, value)
  if precision := getattr(jax.config, _PRECISION):
    logging.warning(
      'JAX_DEFAULT_MATMUL_PRECISION=%s: runs without it, or on other devices, '
      'may compute other numbers; starts.jsonl records it.',
      precision,
    )


def _check_devices() -> None:
  """Refuses to start where JAX finds no device.

  Raises:
    ValueError: with what JAX reports, and the remedy.
  """
  import jax

  try:
    jax.devices()
  # JAX asserts that a device exists if JAX_PLATFORMS names others.
  except (RuntimeError, AssertionError) as error:
    platforms = os.environ.get('JAX_PLATFORMS', '')
    raise ValueError(
      f'JAX finds no device (JAX_PLATFORMS={platforms}): '
      f'{error or "none of these platforms"}. Unset JAX_PLATFORMS to use what '
      "there is; or install JAX for it, pip install -e '.[cuda]' or '.[tpu]', "
      'and check its driver'
    ) from error


def _join(arguments: Mapping[str, Any]) -> None:
  """Joins the other processes of a run; only process 0 then logs progress.

  A process that ends early does not wait for the others, which would wait for
  it in turn.
  """
  import jax

  from vaegan_jax.distributed import processes

  processes.initialize(**arguments)
  # Runs before JAX's own handler, which waits and was registered earlier.
  atexit.register(
    lambda: jax.distributed.is_initialized() and processes.exit_process(1)
  )
  if not processes.is_primary():
    std_logging.getLogger('vaegan_jax').setLevel(std_logging.WARNING)


def _end(
  code: int, error: object, *, end: Callable[[int], NoReturn] = sys.exit
) -> NoReturn:
  with contextlib.suppress(OSError):  # the log's disk may be the full one
    print(f'Error: {error}', file=sys.stderr)
  end(code)


def compute_on_calling_thread() -> None:
  """Makes JAX's CPU backend compute on the calling thread.

  glibc keeps freed blocks of more than 64 MB for the main thread only. On other
  threads a step maps and unmaps hundreds of megabytes (docs/performance.md).
  """
  import jax

  jax.config.update('jax_cpu_enable_async_dispatch', False)


def _cache_programs() -> None:
  """Makes JAX cache compiled programs in a folder of bounded size.

  JAX_COMPILATION_CACHE_DIR names another, whose size JAX's own flags bound.
  """
  import jax

  if given := os.environ.get('JAX_COMPILATION_CACHE_DIR'):
    if '://' in given:  # JAX itself writes to buckets
      return
    given = str(paths.absolute(given, name='JAX_COMPILATION_CACHE_DIR'))
    jax.config.update('jax_compilation_cache_dir', given)
    return
  folder = paths.user_cache() / 'compiled'
  drop_oldest(folder, limit=_CACHE_BYTES)
  jax.config.update('jax_compilation_cache_dir', str(folder))
  jax.config.update(
    'jax_persistent_cache_min_compile_time_secs', _CACHED_COMPILE_SECONDS
  )


def drop_oldest(folder: pathlib.Path, *, limit: int) -> None:
  """Removes the least recently used programs until a folder fits `limit` bytes.

  JAX's own limit (jax_compilation_cache_max_size) needs one more package, and
  caches nothing in a folder that was once used without it.
  """
  with contextlib.suppress(OSError):  # another run may do the same
    found = [(file, file.stat()) for file in folder.glob('*-cache')]
    found.sort(key=lambda pair: max(pair[1].st_atime, pair[1].st_mtime))
    excess = sum(about.st_size for _, about in found) - limit
    for file, about in found:
      if excess <= 0:
        break
      file.unlink(missing_ok=True)
      excess -= about.st_size
