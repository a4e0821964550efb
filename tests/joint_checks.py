"""Checks of what processes do jointly; test_processes.py starts several.

A failing check ends its process, whose log has the traceback.
"""

import sys

import jax
import numpy as np
import pytest

from vaegan_jax.data import batches, cache
from vaegan_jax.distributed import parallel, processes


def main():
  """Connects the processes, and runs all checks in each."""
  flags = dict(word.lstrip('-').partition('=')[::2] for word in sys.argv[1:])
  processes.initialize(
    coordinator_address=flags['coordinator'],
    num_processes=int(flags['processes']),
    process_id=int(flags['process']),
  )
  assert jax.distributed.is_initialized()
  assert processes.is_primary() == (flags['process'] == '0')
  compiled = parallel.compile_step(lambda s, b, **_: (s, b), batch_size=8)
  check_fail_together()
  check_check_equal()
  check_broadcast()
  check_allgather(compiled)
  for resident in (0, 1 << 30):
    check_rows(compiled, resident)
  with pytest.raises(ValueError, match=r"'pmap' is for the devices of one"):
    parallel.compile_step(lambda: 0, batch_size=8, how='pmap')
  jax.distributed.shutdown()
  assert not jax.distributed.is_initialized()
  print('all passed')


def check_fail_together():
  """A failure on one process fails all; without one, none fails."""
  with processes.fail_together():
    pass
  fails = jax.process_index() == 1
  message = 'mine' if fails else 'process 1 of 2 cannot start'
  with pytest.raises(ValueError, match=message), processes.fail_together():
    _raise_if(fails)


def _raise_if(fails):
  if fails:
    raise ValueError('mine')


def check_check_equal():
  """Texts that differ are refused by name."""
  processes.check_equal(data='the same', config='too')
  with pytest.raises(ValueError, match='process 1 has another config than'):
    processes.check_equal(data='the same', config=f'of {jax.process_index()}')


def check_broadcast():
  """Arrays of process 0 arrive bit for bit: -0 and unusual types too."""
  source = [
    np.array([-0.0, np.nan, 1e-42], np.float32),
    np.array(-7, np.int32),
    np.zeros((0, 3), np.float32),
    np.array([[True, False]]),
    np.arange(5, dtype=np.uint32),
  ]
  primary = processes.is_primary()
  mine = source if primary else [np.full_like(x, 1) for x in source]
  received = processes.broadcast_from_primary(mine)
  for x, expected in zip(received, source, strict=True):
    assert (x.dtype, x.shape) == (expected.dtype, expected.shape)
    assert x.tobytes() == expected.tobytes()


def check_allgather(compiled):
  """Each call returns the numbers of all processes in the call before."""
  gather = processes.DelayedAllgather(compiled.sharded, compiled.replicated)
  me, count = jax.process_index(), jax.process_count()
  rows = [gather(np.array([call, 10.0 * me + call])) for call in range(1, 5)]
  assert not rows[0].any()
  for call, numbers in enumerate(rows[1:], start=1):
    expected = [[call, 10.0 * i + call] for i in range(count)]
    np.testing.assert_array_equal(numbers, expected)


def check_rows(compiled, resident):
  """Each process has its devices' rows of the batch of a single process."""
  pixels = np.random.default_rng(0).integers(0, 256, (20, 4, 4, 3), np.uint8)
  data = cache.Dataset(pixels, None, (), 'test', 'train', '')
  made = batches.Batches(
    data, seed=3, batch_size=8, sharding=compiled.sharded, resident=resident
  )
  for step in range(3):
    rows = batches.indices(seed=3, step=step, batch_size=8, length=20)
    shards = made(step).pixels.addressable_shards
    assert sum(len(s.data) for s in shards) == 8 // jax.process_count()
    for shard in shards:
      np.testing.assert_array_equal(shard.data, pixels[rows][shard.index])
  made.close()


if __name__ == '__main__':
  main()
