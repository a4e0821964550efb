"""Plans a run on TPUs: its memory on each chip, and its least time.

python -m experiments.plan --config=experiments/configs/celeba.py \
  --topology=v5e:4x4 --config.batch_size=1024

It needs no TPU and no data, but XLA's compiler for TPUs: pip install -e
'.[tpu-plan]'. Compiling takes minutes.
"""

from __future__ import annotations

import json
import os
import pathlib

from absl import flags
from ml_collections import config_flags

from experiments import launch
from vaegan_jax.files import paths

_CONFIG = config_flags.DEFINE_config_file(
  'config', None, 'A name in experiments/configs, such as celeba; or a file.'
)
_TOPOLOGY = flags.DEFINE_string(
  'topology',
  None,
  'The chips, such as v5e:4x4; of v4, v5e, v5p and v6e.',
  required=True,
)
_IMAGES = flags.DEFINE_integer(
  'images',
  None,
  'Training images, for sources where that depends on the files.',
  lower_bound=1,
)
_OUTPUT = flags.DEFINE_string('output', None, 'A file for the numbers (JSON).')


def main(argv: list[str]) -> None:
  """Prints the memory, work and least time of each chip."""
  launch.refuse_arguments(argv)
  # Set before JAX starts, as it would search for a TPU.
  os.environ['JAX_PLATFORMS'] = 'cpu'
  with launch.session():
    output = None
    if _OUTPUT.value is not None:
      output = paths.absolute(_OUTPUT.value, name='--output')
      if not output.parent.is_dir():
        raise ValueError(f'--output={output}: make the folder {output.parent}')
      if output.is_dir():
        raise ValueError(f'--output={output} is a folder: name a file in it')
    _plan(output)


def _plan(output: pathlib.Path | None) -> None:
  import jax

  from vaegan_jax.files import atomic
  from vaegan_jax.planning import plans, roofline, text

  # JAX cannot read back programs for absent chips.
  jax.config.update('jax_enable_compilation_cache', False)
  config, where = _CONFIG.value, roofline.parse(_TOPOLOGY.value)
  images = _IMAGES.value or plans.count_images(config)
  plan = plans.make(config, where, images=images)
  print(text.describe(plan), flush=True)
  if output:
    atomic.write_text(output, json.dumps(text.row(plan), indent=2) + '\n')


if __name__ == '__main__':
  flags.mark_flag_as_required('config')
  launch.run(main)
