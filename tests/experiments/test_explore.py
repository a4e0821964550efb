"""Runs, checkpoints and exported models get their Explore pages."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from tests import launchers, small
from vaegan_jax.runs import exports
from vaegan_jax.training import loop


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


def content(path):
  """Returns what a page holds."""
  [text] = re.findall(
    '<script type="application/json" id="model">(.*?)</script>',
    path.read_text(),
  )
  return json.loads(text)


def test_a_run_has_a_page_and_its_report_leads_to_it(small_run, private):
  assert content(small_run / 'explore.html')['images']['count'] == 24
  assert content(private / 'explore.html')['images']['count'] == 2
  assert 'href="explore.html"' in (small_run / 'report.html').read_text()


def test_the_page_of_a_checkpoint_is_that_of_its_step(small_run, tmp_path):
  path = tmp_path / 'page.html'
  before = (small_run / 'explore.html').read_bytes()
  result = launchers.run(
    'explore', f'--workdir={small_run}/checkpoints/2', f'--output={path}'
  )
  assert result.returncode == 0, result.stderr
  assert 'step 2.' in ' '.join(path.read_text().split())
  assert (small_run / 'explore.html').read_bytes() == before


def test_a_model_of_private_data_is_explored_without_them(private, tmp_path):
  model = tmp_path / 'model'
  exports.write(model, exports.read(private), card='')
  result = launchers.run('explore', f'--workdir={model}')
  assert result.returncode == 0, result.stderr
  assert content(model / 'explore.html')['images'] is None


def test_a_folder_as_output_is_refused(small_run, tmp_path):
  result = launchers.run(
    'explore', f'--workdir={small_run}', f'--output={tmp_path}'
  )
  assert result.returncode == 1
  assert 'is a folder: name a file in it' in result.stderr.splitlines()[-1]
