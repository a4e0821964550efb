"""What the processes of a run do together; test_hosts.py starts it in several.

Each check is one of a process; what it says stands in its log.
"""

import sys

import jax
import numpy as np
import pytest

from vaegan_jax.data import batches, cache
from vaegan_jax.distributed import parallel, processes


def main():
  """Joins the others, and checks what they then do together."""
  given = dict(word.lstrip('-').partition('=')[::2] for word in sys.argv[1:])
  processes.join(
    coordinator=given['coordinator'],
    count=int(given['processes']),
    index=int(given['process']),
  )
  assert processes.joined()
  assert processes.leads() == (given['process'] == '0')
  compiled = parallel.compile_step(lambda s, b, **_: (s, b), batch_size=8)
  check_failing()
  check_texts()
  check_sending()
  check_exchange(compiled)
  for resident in (0, 1 << 30):
    check_rows(compiled, resident)
  with pytest.raises(ValueError, match=r"'pmap' is for the devices of one"):
    parallel.compile_step(lambda: 0, batch_size=8, how='pmap')
  processes.leave()
  assert not processes.joined()
  print('all held')


def check_failing():
  """What fails on one process fails on all, and what fails on none on none."""
  with processes.all_or_none():
    pass
  told = 'mine' if jax.process_index() == 1 else 'process 1 of 2 cannot begin'
  with pytest.raises(ValueError, match=told), processes.all_or_none():
    _fail(jax.process_index() == 1)


def _fail(fails):
  if fails:
    raise ValueError('mine')


def check_texts():
  """Texts that differ are refused by the name of what differs."""
  me = jax.process_index()
  processes.check_same(data='the same', config='too')
  with pytest.raises(ValueError, match='process 1 has another config than'):
    processes.check_same(data='the same', config=f'of {me}')


def check_sending():
  """What process 0 has read arrives bit for bit: -0 and odd types too."""
  leads = processes.leads()
  source = [
    np.array([-0.0, np.nan, 1e-42], np.float32),
    np.array(-7, np.int32),
    np.zeros((0, 3), np.float32),
    np.array([[True, False]]),
    np.arange(5, dtype=np.uint32),
  ]
  mine = source if leads else [np.full_like(x, 1) for x in source]
  for sent, x in zip(processes.from_leader(mine), source, strict=True):
    assert (sent.dtype, sent.shape) == (x.dtype, x.shape)
    assert sent.tobytes() == x.tobytes()


def check_exchange(compiled):
  """All hear the numbers of all, of one and the same call, one call late."""
  exchange = processes.Exchange(compiled.sharded, compiled.replicated)
  me, count = jax.process_index(), jax.process_count()
  heard = [exchange(np.array([call, 10.0 * me + call])) for call in range(1, 5)]
  assert not heard[0].any()
  for call, numbers in enumerate(heard[1:], start=1):
    expected = [[call, 10.0 * i + call] for i in range(count)]
    np.testing.assert_array_equal(numbers, expected)


def check_rows(compiled, resident):
  """Each process has the rows of its devices of the batch of one process."""
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
