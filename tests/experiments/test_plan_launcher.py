"""The launcher names a missing folder or compiler before it compiles."""

import subprocess
import sys

import pytest

from tests import ROOT, launchers


@pytest.mark.parametrize(
  ('output', 'message'),
  [('none/plan.json', 'make the folder {}/none'), ('', '{} is a folder: name')],
)
def test_an_output_that_cannot_be_is_named_before_compiling(
  tmp_path, output, message
):
  result = launchers.run(
    'plan',
    '--config=experiments/configs/celeba.py',
    '--topology=v5e:2x2',
    f'--output={tmp_path / output}',
  )
  assert result.returncode == 1
  assert message.format(tmp_path) in result.stderr


def test_a_missing_compiler_is_named_with_the_remedy(tmp_path):
  # The program hides libtpu if it is installed.
  program = (
    'import sys; sys.modules["libtpu"] = None;'
    'from experiments import launch, plan; launch.run(plan.main)'
  )
  words = [
    '--config=experiments/configs/celeba.py',
    '--topology=v5e:2x2',
    f'--output={tmp_path / "plan.json"}',
  ]
  result = subprocess.run(
    [sys.executable, '-c', program, *words],
    capture_output=True,
    text=True,
    check=False,
    cwd=ROOT,
  )
  assert result.returncode == 1
  assert "pip install -e '.[tpu-plan]'" in result.stderr
  assert 'Traceback' not in result.stderr
  assert not any(tmp_path.iterdir())
