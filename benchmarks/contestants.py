"""Who is timed: our step, an equal one in PyTorch, pythae's own.

Neither JAX nor PyTorch is imported here: each contestant lives in a process
that imports what it needs.
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib.util
from collections.abc import Callable, Mapping, Sequence
from typing import Any


@dataclasses.dataclass(frozen=True)
class Contestant:
  """One way of doing a training step.

  Attributes:
    name: what --contestants calls it.
    framework: a key of FRAMEWORKS.
    label: what it is, for a reader of the results.
    options: keywords of its module's `prepare`.
    accelerator: whether it is left out on a CPU unless asked for.
    equal: whether it does the work of our step; pythae's is another one.
    dtype: of the activations, which decides the ceiling it is held to.
  """

  name: str
  framework: str
  label: str
  options: Mapping[str, Any] = dataclasses.field(default_factory=dict)
  accelerator: bool = False
  equal: bool = True
  dtype: str = 'float32'


@dataclasses.dataclass(frozen=True)
class Framework:
  """What a contestant needs.

  Attributes:
    module: with `load()`, which imports all that its steps need and says on
      what they run, and `prepare(size, batch, **options)`.
    packages: that must be installed.
  """

  module: str
  packages: tuple[str, ...]

  def missing(self) -> list[str]:
    """Names the packages that are not installed."""
    return [p for p in self.packages if importlib.util.find_spec(p) is None]


@dataclasses.dataclass(frozen=True)
class Prepared:
  """A step ready to be timed, in its own process.

  Attributes:
    run: makes a number of calls, one after the other, and waits for the last.
    steps: of training in a call.
    about: what is known of a step without running it: 'flops',
      'bytes_moved', 'planned_bytes' (of memory).
    allocated: the largest memory it has taken on its device, in bytes; None
      where that is the process's memory.
  """

  run: Callable[[int], None]
  steps: int = 1
  about: Mapping[str, float] = dataclasses.field(default_factory=dict)
  allocated: Callable[[], int] | None = None


FRAMEWORKS = {
  'jax': Framework('benchmarks.ours', ('jax',)),
  'torch': Framework('benchmarks.torch_step', ('torch',)),
  'pythae': Framework('benchmarks.pythae_step', ('torch', 'pythae')),
}

_BF16 = {'accelerator': True, 'dtype': 'bfloat16'}

OURS = 'ours'
CONTESTANTS = {
  c.name: c
  for c in (
    Contestant(OURS, 'jax', 'vaegan_jax, float32'),
    Contestant(
      'ours-bf16',
      'jax',
      'vaegan_jax, bfloat16 activations',
      {'dtype': 'bfloat16'},
      **_BF16,
    ),
    Contestant(
      'ours-dispatch',
      'jax',
      'vaegan_jax, bfloat16 activations, 10 steps a dispatch',
      {'dtype': 'bfloat16', 'steps_per_dispatch': 10},
      **_BF16,
    ),
    Contestant('torch', 'torch', 'PyTorch, the same step, eager'),
    Contestant(
      'torch-channels-last',
      'torch',
      'PyTorch, the same step, eager, channels_last',
      {'channels_last': True},
    ),
    Contestant(
      'torch-compile',
      'torch',
      'PyTorch, the same step, torch.compile',
      {'mode': 'default'},
    ),
    Contestant(
      'torch-compile-channels-last',
      'torch',
      'PyTorch, the same step, torch.compile, channels_last',
      {'mode': 'default', 'channels_last': True},
    ),
    Contestant(
      'torch-bf16',
      'torch',
      'PyTorch, the same step, channels_last, bfloat16 autocast',
      {'channels_last': True, 'bfloat16': True},
      **_BF16,
    ),
    Contestant(
      'torch-compile-bf16',
      'torch',
      'PyTorch, the same step, torch.compile, channels_last, bfloat16 autocast',
      {'mode': 'default', 'channels_last': True, 'bfloat16': True},
      **_BF16,
    ),
    Contestant(
      'torch-graphs-bf16',
      'torch',
      'the same with CUDA graphs (mode reduce-overhead)',
      {'mode': 'reduce-overhead', 'channels_last': True, 'bfloat16': True},
      **_BF16,
    ),
    Contestant(
      'pythae',
      'pythae',
      "pythae's VAEGAN, its own step as shipped",
      equal=False,
    ),
  )
}
LOOP = 'loop'


def parse(names: Sequence[str]) -> list[str]:
  """Checks the names of contestants.

  Raises:
    ValueError: for one that does not exist, with the nearest that does.
  """
  known = [*CONTESTANTS, LOOP]
  for name in names:
    if name not in known:
      near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
      hint = f'; did you mean {near[0]}?' if near else ''
      raise ValueError(
        f'--contestants names {name!r}: expected some of '
        f'{", ".join(known)}{hint}'
      )
  return list(dict.fromkeys(names))
