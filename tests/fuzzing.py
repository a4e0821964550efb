"""Files that may hold anything, and what a reader of them may do."""

import contextlib
import io
import multiprocessing.reduction  # noqa: F401
import os
import pathlib
import pickle
import re
import time

import hypothesis
import pytest
from hypothesis import strategies as st

from vaegan_jax.data.images import decoding

# Examples of each test; `FUZZ=100000 pytest -m slow` looks for long.
FEW, MANY = 20, int(os.environ.get('FUZZ', '2000'))

# Seconds that no reader may need for a file of a few kilobytes.
_SECONDS = 2

# Bytes that no reader may ask for, given files of a few kilobytes: four copies
# of the largest picture that is not refused, which Pillow keeps at 4 bytes a
# pixel. How much of it a decoder touches depends on what was freed before.
_BYTES = 4 * 4 * decoding.MOST_PIXELS


@pytest.fixture(autouse=True)
def bounded(monkeypatch, unchecked):
  """Bounds memory, and lets nothing be unpickled."""
  forbid_pickles(monkeypatch)
  before = _peak(reset=True)
  yield
  assert _peak() - before < _BYTES


def forbid_pickles(monkeypatch):
  """Makes every way to unpickle fail.

  Python's queues keep pickle.loads when they are first imported: they are by
  now, or those of TensorBoard would keep the one that fails and never end.
  """

  def refuse(*_, **__):
    raise AssertionError('something was unpickled')

  for name in ('load', 'loads', 'Unpickler', '_Unpickler'):
    monkeypatch.setattr(pickle, name, refuse)


def _peak(*, reset=False):
  """Gives the most bytes that this process had in memory, on Linux."""
  with contextlib.suppress(OSError):
    if reset:
      pathlib.Path('/proc/self/clear_refs').write_text('5')
    status = pathlib.Path('/proc/self/status').read_text()
    return int(re.search(r'VmHWM:\s*(\d+) kB', status)[1]) << 10
  return 0


def fuzz(strategy):
  """Runs a test of (example, folder) on a few, and as a slow one on many."""

  def decorate(test):
    slow = pytest.param(MANY, marks=pytest.mark.slow)

    @pytest.mark.parametrize('count', [FEW, slow])
    def run(count, tmp_path):
      def one(example):
        test(example, tmp_path)

      settings = hypothesis.settings(
        derandomize=True,
        max_examples=count,
        deadline=None,
        database=None,
        suppress_health_check=list(hypothesis.HealthCheck),
      )
      settings(hypothesis.given(strategy)(one))()

    return run

  return decorate


def survives(reader, *arguments, **keywords):
  """Gives what a reader gives; None, if it refuses with a message."""
  start = time.process_time()
  try:
    return reader(*arguments, **keywords)
  except (ValueError, FileNotFoundError) as error:
    message = str(error)
  finally:
    assert time.process_time() - start < _SECONDS
  assert message.strip()
  return None


@st.composite
def mutated(draw, wholes):
  """Changes, removes, repeats and inserts bytes of a whole file."""
  data = bytearray(draw(st.sampled_from(wholes)))
  for _ in range(draw(st.integers(0, 5))):
    place = draw(st.integers(0, len(data)))
    kind = draw(st.sampled_from(['set', 'number', 'cut', 'insert', 'repeat']))
    if kind == 'set':
      data[place : place + 1] = draw(st.binary(min_size=1, max_size=1))
    elif kind == 'number':
      width = draw(st.sampled_from([2, 4, 8]))
      value = draw(st.sampled_from([0, 1, 2**31, 2**32 - 1, 2**64 - 1]))
      little = (value % 256**width).to_bytes(width, 'little')
      order = draw(st.sampled_from([1, -1]))
      data[place : place + width] = little[::order]
    elif kind == 'cut':
      del data[place : place + draw(st.integers(1, 64))]
    elif kind == 'insert':
      data[place:place] = draw(st.binary(max_size=16))
    else:
      data[place:place] = data[place : place + 64]
  return bytes(data)


# All of Unicode takes hypothesis a minute to prepare.
TEXT = st.text('az09"\\/. \0\nß\U0001f600', max_size=8)
JSON = st.recursive(
  st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
  lambda inner: (
    st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4)
  ),
  max_leaves=8,
)


def saved(save, *values, **options):
  data = io.BytesIO()
  save(data, *values, **options)
  return data.getvalue()
