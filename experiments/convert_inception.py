"""Converts the Inception weights of published FIDs to a safetensors file.

python -m experiments.convert_inception --output=inception.safetensors \
  --weights=pt_inception-2015-12-05-6726825d.pth

The weights are a release file of github.com/mseitzer/pytorch-fid. Reading them
needs PyTorch: pip install -e '.[inception]'. The SHA-256 that is printed
belongs into --inception_sha256 of experiments.evaluate.
"""

from __future__ import annotations

import pathlib
from typing import Any

from absl import flags

from experiments import launch
from vaegan_jax.files import paths

# The SHA-256 of the one known file begins so; its name carries these digits.
SHA256_START = '6726825d'

_WEIGHTS = flags.DEFINE_string(
  'weights', None, "PyTorch's file, .pth.", required=True
)
_OUTPUT = flags.DEFINE_string(
  'output', None, 'The file to write, .safetensors.', required=True
)


def convert(source: pathlib.Path, output: pathlib.Path) -> str:
  """Converts a file and returns the SHA-256 of the file that it writes.

  Raises:
    FileNotFoundError: there is no such file.
    ValueError: the file is not the known one, the output cannot be written
      there, or PyTorch is missing.
  """
  from vaegan_jax.evaluation.features import inception
  from vaegan_jax.files import checksums, weights

  if output.suffix != '.safetensors':
    raise ValueError(f'--output={output}: expected a name in .safetensors')
  if output.exists():
    raise ValueError(f'--output={output} exists: choose another name')
  digest = checksums.file_digest(source)
  if not digest.startswith(SHA256_START):
    raise ValueError(
      f'{source} has the SHA-256 {digest}, expected {SHA256_START}...: '
      f'download pt_inception-2015-12-05-{SHA256_START}.pth again'
    )
  selected = inception.select(_read(source))
  weights.write(output, selected, about=inception.ABOUT)
  return checksums.file_digest(output)


def _read(path: pathlib.Path) -> dict[str, Any]:
  """Reads a state dictionary as arrays, without running its pickle."""
  try:
    import torch
  except ImportError as error:
    raise ValueError(
      f"reading {path} needs PyTorch: pip install -e '.[inception]'"
    ) from error
  state = torch.load(path, map_location='cpu', weights_only=True)
  return {name: tensor.numpy() for name, tensor in state.items()}


def main(argv: list[str]) -> None:
  """Converts the weights and prints the SHA-256 of the new file."""
  launch.refuse_arguments(argv)
  with launch.session():
    output = paths.absolute(_OUTPUT.value, name='--output')
    weights = paths.absolute(_WEIGHTS.value, name='--weights')
    print(f'{convert(weights, output)}  {output}')


if __name__ == '__main__':
  launch.run(main)
