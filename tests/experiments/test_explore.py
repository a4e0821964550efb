"""Runs, checkpoints and exported models get their Explore pages."""

import json
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests import ROOT, small
from vaegan_jax.runs import exports
from vaegan_jax.training import loop


@pytest.fixture(scope='module')
def run(drawn, tmp_path_factory):
  folder = tmp_path_factory.mktemp('explored') / 'run'
  loop.train(small.config(drawn, steps=4), folder)
  return folder


@pytest.fixture(scope='module')
def private(drawn, tmp_path_factory):
  """A run on a folder of images."""
  folder = tmp_path_factory.mktemp('private')
  draw = np.random.default_rng(0)
  for split, count in {'train': 20, 'val': 2, 'test': 2}.items():
    (folder / 'data' / split).mkdir(parents=True)
    for i in range(count):
      pixels = draw.integers(0, 256, (16, 16, 3), np.uint8)
      Image.fromarray(pixels).save(folder / 'data' / split / f'{i}.png')
  data = {'data__source': 'folder', 'data__path': str(folder / 'data')}
  loop.train(small.config(drawn, steps=1, **data), folder / 'run')
  return folder / 'run'


def explore(*flags):
  return subprocess.run(
    [sys.executable, '-m', 'experiments.explore', *flags],
    capture_output=True,
    check=False,
    cwd=ROOT,
    text=True,
    env=os.environ | {'JAX_PLATFORMS': 'cpu'},
  )


def content(path):
  """Returns what a page holds."""
  [text] = re.findall(
    '<script type="application/json" id="model">(.*?)</script>',
    path.read_text(),
  )
  return json.loads(text)


def test_a_run_has_a_page_and_its_report_leads_to_it(run, private):
  assert content(run / 'explore.html')['images']['count'] == 24
  assert content(private / 'explore.html')['images']['count'] == 2
  assert 'href="explore.html"' in (run / 'report.html').read_text()


def test_the_page_of_a_checkpoint_is_that_of_its_step(run, tmp_path):
  path = tmp_path / 'page.html'
  before = (run / 'explore.html').read_bytes()
  result = explore(f'--workdir={run}/checkpoints/2', f'--output={path}')
  assert result.returncode == 0, result.stderr
  assert 'step 2.' in ' '.join(path.read_text().split())
  assert (run / 'explore.html').read_bytes() == before


def test_a_model_of_private_data_is_explored_without_them(private, tmp_path):
  model = tmp_path / 'model'
  exports.write(model, exports.read(private), card='')
  result = explore(f'--workdir={model}')
  assert result.returncode == 0, result.stderr
  assert content(model / 'explore.html')['images'] is None


def test_a_folder_as_output_is_refused(run, tmp_path):
  result = explore(f'--workdir={run}', f'--output={tmp_path}')
  assert result.returncode == 1
  assert 'is a folder: name a file in it' in result.stderr.splitlines()[-1]
