"""Mutated files, and what their readers may do."""

import contextlib
import io
import os
import pathlib
import pickle
import re
import time

import hypothesis
import pytest
from hypothesis import strategies as st

from vaegan_jax.data.images import decoding

# Examples per test; `FUZZ=100000 pytest -m slow` runs longer.
FEW, MANY = 20, int(os.environ.get('FUZZ', '2000'))

# The most seconds of CPU that a reader may use for a few kilobytes.
_SECONDS = 2

# The most memory that a reader may use for a few kilobytes: four copies of the
# largest picture accepted, which Pillow keeps at 4 bytes per pixel.
_BYTES = 4 * 4 * decoding.MAX_PIXELS


@pytest.fixture(autouse=True)
def bounded(monkeypatch, unchecked):
  """Bounds memory and forbids unpickling."""
  forbid_pickles(monkeypatch)
  before = _peak(reset=True)
  yield
  assert _peak() - before < _BYTES


def forbid_pickles(monkeypatch):
  """Makes every way to unpickle fail."""

  def refuse(*_, **__):
    raise AssertionError('something was unpickled')

  for name in ('load', 'loads', 'Unpickler', '_Unpickler'):
    monkeypatch.setattr(pickle, name, refuse)


def _peak(*, reset=False):
  """Returns the peak memory of this process in bytes, on Linux."""
  with contextlib.suppress(OSError):
    if reset:
      pathlib.Path('/proc/self/clear_refs').write_text('5')
    status = pathlib.Path('/proc/self/status').read_text()
    return int(re.search(r'VmHWM:\s*(\d+) kB', status)[1]) << 10
  return 0


def fuzz(strategy):
  """Runs a test of (example, folder) on few examples; a slow one on many."""

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
  """Returns a reader's result; None if it raises an error with a message."""
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
  """Changes, removes, repeats and inserts bytes of a file."""
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


# Hypothesis needs a minute to prepare all of Unicode.
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
