"""Counts memory traffic and collectives in the text of a compiled program.

XLA's own count of bytes (`cost_analysis`) omits the traffic between chips and
adds up all memories, whose speeds differ by an order of magnitude. The text
(HLO) names the shape, layout and memory of each array, and the collectives.
"""

from __future__ import annotations

import math
import re
from typing import NamedTuple

COLLECTIVES = (
  *('all-reduce', 'all-gather', 'reduce-scatter', 'all-to-all'),
  'collective-permute',
)
# These name or regroup arrays, or contain other instructions: no traffic.
_FREE = (
  *('parameter', 'constant', 'tuple', 'get-tuple-element', 'bitcast'),
  *('while', 'conditional', 'call'),
)
_INSTRUCTION = re.compile(
  r'\s*(?:ROOT )?%?[\w.-]+ = (\(.*?\)|\S+) ([a-z][\w-]*)\('
)
_ARRAY = re.compile(r'([a-z]+\d*\w*)\[([\d,]*)\](?:\{([^}]*)\})?')
_COMMENT = re.compile(r'/\*.*?\*/')
_CALLED = re.compile(r'(?:calls|to_apply)=%?([\w.-]+)')
_CYCLES = re.compile(r'"estimated_cycles":"(\d+)"')
_TILE = re.compile(r'T\(([\d,]+)\)')
_ON_CHIP = re.compile(r'S\([1-9]\d*\)')


class Collective(NamedTuple):
  """An exchange between all devices, of `size` bytes on each of them."""

  kind: str
  size: int

  def sent(self, devices: int) -> float:
    """Returns the bytes that each device of a ring sends."""
    if self.kind == 'collective-permute':
      return float(self.size)
    passes = 2 if self.kind == 'all-reduce' else 1
    return passes * (devices - 1) / devices * self.size


class Traffic(NamedTuple):
  """The traffic of one execution of a program on one device.

  HBM is the main memory: each result of an operation is written and read once,
  in whole tiles, and copies from and to the memory on the chip (S(1) in the
  text) are added. The body of a loop is counted once.
  """

  hbm_bytes: int
  collectives: tuple[Collective, ...]
  cycles: int  # the sum of XLA's estimates for the fused operations


def traffic(text: str, *, devices: int) -> Traffic:
  """Counts the traffic of a compiled program.

  Args:
    text: the program, as returned by `jax.stages.Compiled.as_text`.
    devices: the number of devices, which all take part in each collective.

  Raises:
    ValueError: if the text is not a compiled program.
  """
  lines = [_COMMENT.sub('', line) for line in text.splitlines()]
  if not any(line.startswith('ENTRY') for line in lines):
    raise ValueError(
      'expected the text of a compiled program, with a line that begins with '
      f'ENTRY, got {text[:40]!r}'
    )
  # The computations inside of fusions and reductions keep to the chip.
  outer = [line for line in lines if ' call(' not in line]
  inlined = {name for line in outer for name in _CALLED.findall(line)}
  collectives, hbm_bytes, counted = [], 0, True
  for line in lines:
    if line.endswith('{') and ' -> ' in line:
      counted = line.split()[0].lstrip('%') not in inlined
    elif found := _INSTRUCTION.match(line):
      type, opcode = found.groups()
      if opcode.removesuffix('-start') in COLLECTIVES:
        collectives.append(_collective(type, opcode, devices))
      elif counted and opcode not in _FREE and not opcode.endswith('-done'):
        hbm_bytes += _hbm_bytes(type, opcode)
  cycles = sum(map(int, _CYCLES.findall(text)))
  return Traffic(hbm_bytes, tuple(collectives), cycles)


def _collective(type: str, opcode: str, devices: int) -> Collective:
  kind = opcode.removesuffix('-start')
  arrays = [found[0] for found in _ARRAY.finditer(type)]
  if kind != opcode and kind != 'all-reduce':  # operands stand before results
    arrays = arrays[len(arrays) // 2 :]
  times = devices if kind == 'reduce-scatter' else 1
  return Collective(
    kind, times * sum(_bytes(each, tiled=False) for each in arrays)
  )


def _hbm_bytes(type: str, opcode: str) -> int:
  """Counts the bytes of main memory that an instruction causes to move."""
  if not opcode.endswith('-start'):
    arrays = [found[0] for found in _ARRAY.finditer(type)]
    return 2 * sum(_bytes(e) for e in arrays if not _ON_CHIP.search(e))
  # The type has both ends of a copy. The smaller is the part that moves.
  ends = [found[0] for found in _ARRAY.finditer(type) if found[2]][:2]
  moved = min(map(_bytes, ends), default=0)
  return moved * sum(not _ON_CHIP.search(end) for end in ends)


def _bytes(array: str, *, tiled: bool = True) -> int:
  """Counts the bytes of an array, such as 'f32[8,3]{1,0:T(8,128)S(1)}'."""
  name, shape, layout = _ARRAY.findall(array)[0]
  lengths = [int(n) for n in shape.split(',') if n]
  order, _, rest = layout.partition(':')
  tile = _TILE.match(rest)
  if tiled and tile and order:
    sides = [int(n) for n in reversed(tile[1].split(','))]
    for axis, side in zip(map(int, order.split(',')), sides, strict=False):
      lengths[axis] = -(-lengths[axis] // side) * side
  bits = re.search(r'\d+', name)  # none in 'pred'
  return math.prod(lengths) * int(bits[0] if bits else 8) // 8
