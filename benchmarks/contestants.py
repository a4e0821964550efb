"""The contestants: our step, an equal step in PyTorch, pythae's own step.

Neither JAX nor PyTorch is imported here. Each contestant runs in a process
that imports its own framework.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple


class Contestant(NamedTuple):
  """One training step: `module.prepare(size, batch, **options)` -> Prepared."""

  module: str  # in benchmarks
  options: Mapping[str, Any] = {}
  equal: bool = True  # whether it computes our step; pythae's is another one


class Prepared(NamedTuple):
  """A step ready to be timed, in its own process."""

  run: Callable[[int], None]  # makes a number of calls, waits for the last one
  device: str = ''  # the accelerator's name; '' on a CPU
  steps: int = 1  # training steps in a call
  about: Mapping[str, float] = {}  # 'flops', 'planned_bytes' of memory
  allocated: Callable[[], int] | None = None  # peak of bytes on an accelerator
  forget: Callable[[], None] | None = None  # forgets the peak of the warm-ups


OURS = 'ours'
DEFAULT = (OURS, 'torch', 'torch-channels-last', 'pythae')

_FAST = {'dtype': 'bfloat16'}
_GRAPHS = 'reduce-overhead'  # CUDA graphs
_LAST = {'channels_last': True}
_BF16 = {**_LAST, 'bfloat16': True}
CONTESTANTS = {
  OURS: Contestant('ours'),
  'ours-bf16': Contestant('ours', _FAST),
  'ours-dispatch': Contestant('ours', {**_FAST, 'steps_per_dispatch': 10}),
  'torch': Contestant('torch_step'),
  'torch-channels-last': Contestant('torch_step', _LAST),
  'torch-compile': Contestant('torch_step', {'mode': 'default', **_LAST}),
  'torch-bf16': Contestant('torch_step', _BF16),
  'torch-compile-bf16': Contestant('torch_step', {'mode': 'default', **_BF16}),
  'torch-graphs-bf16': Contestant('torch_step', {'mode': _GRAPHS, **_BF16}),
  'pythae': Contestant('pythae_step', equal=False),
}


def parse(names: Sequence[str]) -> list[str]:
  """Checks names of contestants; 'all' stands for every one.

  Raises:
    ValueError: for an unknown name, with the nearest known one.
  """
  if list(names) == ['all']:
    return list(CONTESTANTS)
  for name in names:
    if name not in CONTESTANTS:
      near = difflib.get_close_matches(name, CONTESTANTS, n=1, cutoff=0.5)
      hint = f'; did you mean {near[0]}?' if near else ''
      raise ValueError(
        f'--contestants names {name!r}: expected all, or some of '
        f'{", ".join(CONTESTANTS)}{hint}'
      )
  return list(dict.fromkeys(names))
