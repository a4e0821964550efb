"""The start-up benchmark times all its parts."""

import pathlib
import subprocess

from benchmarks import startup
from vaegan_jax.data import cache


def test_batches_from_host_memory_and_from_the_device_are_timed():
  figures = dict(startup.time_batches(sizes=(4, 8), images=16, rounds=2))
  assert len(figures) == 4
  assert all(len(rates) == 2 for rates in figures.values())
  assert all(min(rates) > 0 for rates in figures.values())


def test_the_images_are_drawn_before_the_first_step_is_timed(
  tmp_path, monkeypatch
):
  done = []

  def load(source, *, split, directory, progress):
    done.append((split, str(directory)))

  def train(words, **_):
    given = dict(word.split('=', 1) for word in words if '=' in word)
    workdir = pathlib.Path(given['--workdir'])
    workdir.mkdir()
    (workdir / 'metrics.jsonl').touch()
    done.append(('run', given['--config.data.cache']))

  monkeypatch.setattr(cache, 'load', load)
  monkeypatch.setattr(subprocess, 'run', train)
  assert len([*startup.time_first_step(batch=4, folder=tmp_path)]) == 2
  assert [what for what, _ in done] == ['train', 'test', 'run', 'run']
  assert {where for _, where in done} == {str(tmp_path / 'data')}
