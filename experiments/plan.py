"""Plans a run before it is rented: what fits on TPUs, and how fast at best.

python -m experiments.plan --config=experiments/configs/celeba.py \
  --topology=v5e:4x4 --config.batch_size=1024

It needs no TPU and no data, but XLA's compiler for TPUs: pip install
'vaegan_jax[tpu-plan]'. A compilation takes minutes.
"""

from __future__ import annotations

import json
import os
import pathlib

from absl import flags
from ml_collections import config_flags

from experiments import launch

_CONFIG = config_flags.DEFINE_config_file(
  'config', None, 'The settings: a file of experiments/configs.'
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
  'How many to train on, of sources where that depends on the files.',
  lower_bound=1,
)
_LARGEST_BATCH = flags.DEFINE_bool(
  'largest_batch',
  False,
  'Search the largest batch that fits: up to six compilations.',
)
_OUTPUT = flags.DEFINE_string('output', None, 'A file for the numbers (JSON).')


def main(argv: list[str]) -> None:
  """Prints what each chip holds and does."""
  launch.refuse_arguments(argv)
  # Before JAX starts: it has a compiler to call, and no device to look for.
  os.environ['JAX_PLATFORMS'] = 'cpu'
  output = pathlib.Path(_OUTPUT.value) if _OUTPUT.value else None
  with launch.session():
    if output and not output.parent.is_dir():
      raise ValueError(f'--output={output}: make the folder {output.parent}')
    _plan(output)


def _plan(output: pathlib.Path | None) -> None:
  import jax

  from vaegan_jax.config import build
  from vaegan_jax.files import atomic
  from vaegan_jax.planning import plans, roofline, search, text

  # Of chips that are not there no program can be read back.
  jax.config.update('jax_enable_compilation_cache', False)
  config, where = _CONFIG.value, roofline.parse(_TOPOLOGY.value)
  images = _IMAGES.value or plans.images(config)

  def make(batch_size: int) -> plans.Plan:
    changed = build.change(config, {'batch_size': batch_size})
    return plans.make(changed, where, images=images)

  if _LARGEST_BATCH.value:
    found = search.largest_batch(
      make, start=config.batch_size, chips=where.chips
    )
    plan = found.plan
    print(
      f'Of the batches tried, {plan.batch_size} is the largest that fits, and '
      f'{found.too_large or "none"} the smallest that does not.\n'
    )
  else:
    plan = make(config.batch_size)
  print(text.describe(plan))
  if output:
    atomic.write_text(output, json.dumps(text.row(plan), indent=2) + '\n')


if __name__ == '__main__':
  flags.mark_flag_as_required('config')
  launch.run(main)
