import resource
import struct

import pytest
from tensorboardX.proto import event_pb2

from vaegan_jax.runs import records

TIMING = {'images_per_second': 8.0, 'goodput': 0.5}


def start(workdir, *, step=0):
  return records.Records(workdir, step=step, steps=1000, start={})


def write(run, step):
  values = {f'metric_{i}': step + i / 4 for i in range(20)}
  run.write(values, timing={'step': step, **TIMING})
  return {**values, **TIMING}


def write_steps(run, count):
  return {step: write(run, step) for step in range(1, count + 1)}


def events(workdir):
  for path in sorted((workdir / 'tensorboard').iterdir()):
    content = path.read_bytes()
    while content:
      (size,) = struct.unpack('Q', content[:8])
      yield event_pb2.Event.FromString(content[12 : 12 + size])
      content = content[16 + size :]


def test_tensorboard_shows_the_rows_of_each_step_and_hides_lost_ones(tmp_path):
  run = start(tmp_path, step=4)
  expected = {step: write(run, step) for step in (5, 6)}
  run.close()
  version, begin, *rows = events(tmp_path)
  assert version.file_version == 'brain.Event:2'
  assert begin.step == 5
  assert begin.session_log.status == event_pb2.SessionLog.START
  assert expected == {
    row.step: {value.tag: value.simple_value for value in row.summary.value}
    for row in rows
  }


def test_rows_that_are_synced_are_in_tensorboard(tmp_path):
  run = start(tmp_path)
  write_steps(run, 3)
  run.sync()
  assert [event.step for event in events(tmp_path)][-1] == 3
  run.close()


def test_half_a_row_of_an_earlier_start_spoils_no_later_one(tmp_path):
  start(tmp_path).close()
  with (tmp_path / records.STARTS).open('a') as file:
    file.write('{"step": 0, "st')
  start(tmp_path).close()
  assert len(records.read_rows(tmp_path / records.STARTS)) == 2


def test_a_full_disk_is_an_error_and_not_a_wait_without_end(tmp_path):
  # A bound on the size of files stands for the disk.
  run = start(tmp_path)
  soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
  resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, hard))
  try:
    with pytest.raises(OSError, match='File too large'):
      write_steps(run, 1000)
  finally:
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
  run.close()
