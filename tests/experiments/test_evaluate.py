"""The launcher of an evaluation finds the data of a run."""

import json
import os
import re
import subprocess
import sys

import pytest

from tests import ROOT, small


@pytest.mark.parametrize(
  ('flags', 'message'),
  [
    ([], 'not exist: .* or with --data_path=PATH of experiments.evaluate'),
    (['--data_path=gs://bucket'], 'data.path = .*gs:/ is not a path of this'),
    (['--data_path=.'], 'no checkpoint in '),
  ],
)
def test_data_that_have_moved_are_named_by_a_flag(flags, message, tmp_path):
  config = small.config(data__source='folder', data__path='/nowhere/images')
  (tmp_path / 'config.json').write_text(json.dumps(config.to_dict()))
  result = subprocess.run(
    [sys.executable, '-m', 'experiments.evaluate', f'--workdir={tmp_path}',
     *flags],
    capture_output=True, check=False, cwd=ROOT / 'docs' / 'images', text=True,
    env=os.environ | {'PYTHONPATH': str(ROOT)},
  )  # fmt: skip
  assert result.returncode == 1
  last = result.stderr.splitlines()[-1]
  assert last.startswith('Error: ')
  assert re.search(message, last)
