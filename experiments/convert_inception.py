"""Converts the Inception weights of published FIDs to a file of arrays.

python -m experiments.convert_inception --output=inception.npz \
  --weights=pt_inception-2015-12-05-6726825d.pth

The weights come from the releases of github.com/mseitzer/pytorch-fid; they
are read without unpickling. The sum that is printed is the one that
`vaegan_jax.evaluation.features.inception.load` asks for.
"""

from __future__ import annotations

import hashlib
import pathlib
import re
from typing import Any

import numpy as np
from absl import flags

from experiments import launch

_WEIGHTS = flags.DEFINE_string(
  'weights', None, "PyTorch's file, .pth.", required=True
)
_OUTPUT = flags.DEFINE_string(
  'output', None, 'The file to write, .npz.', required=True
)


def convert(weights: pathlib.Path, output: pathlib.Path) -> str:
  """Converts a file; gives the SHA-256 of what it wrote.

  Raises:
    FileNotFoundError, ValueError: no file, or not the weights of Inception.
  """
  from vaegan_jax.evaluation.features import inception, torch_files

  _check_name(weights)
  if output.suffix != '.npz':
    raise ValueError(f'output = {output}: the name must end with .npz')
  if output.exists():
    raise ValueError(f'output = {output} exists: name another file')
  arrays: dict[str, Any] = inception.select(torch_files.read(weights))
  np.savez(output, **arrays)
  return hashlib.sha256(output.read_bytes()).hexdigest()


def _check_name(weights: pathlib.Path) -> None:
  """Compares a file with the start of its SHA-256 that its name ends with."""
  stated = re.search(r'-([0-9a-f]{8,64})$', weights.stem)
  digest = hashlib.sha256(weights.read_bytes()).hexdigest()
  if stated and not digest.startswith(stated[1]):
    raise ValueError(
      f'{weights} has the SHA-256 {digest}, its name promises {stated[1]}...: '
      'download it again'
    )


def main(argv: list[str]) -> None:
  """Converts, and prints the sum."""
  launch.refuse_arguments(argv)
  output = pathlib.Path(_OUTPUT.value)
  with launch.session():
    print(f'{convert(pathlib.Path(_WEIGHTS.value), output)}  {output}')


if __name__ == '__main__':
  launch.run(main)
