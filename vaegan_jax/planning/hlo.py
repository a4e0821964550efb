"""What a program compiled by XLA moves, read from its text (HLO).

XLA's own count of bytes (`cost_analysis`) leaves out what travels between
chips, and adds up all memories, whose speeds differ by an order of magnitude.
The text names each array's shape, its memory and the collectives.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

# Of one element, in bits; tokens and opaque things have none.
_BITS = {
  **dict.fromkeys(['pred', 's8', 'u8', 'f8e4m3fn', 'f8e5m2'], 8),
  **dict.fromkeys(['s4', 'u4'], 4),
  **dict.fromkeys(['s16', 'u16', 'f16', 'bf16'], 16),
  **dict.fromkeys(['s32', 'u32', 'f32'], 32),
  **dict.fromkeys(['s64', 'u64', 'f64', 'c64'], 64),
  'c128': 128,
}
COLLECTIVES = (
  'all-reduce',
  'all-gather',
  'reduce-scatter',
  'all-to-all',
  'collective-permute',
)
# They name or regroup arrays, or wait for them: nothing moves.
_STILL = ('parameter', 'constant', 'tuple', 'get-tuple-element', 'bitcast')
_CALLS = ('while', 'conditional', 'call')
# They read as much of their first operand as they give.
_PARTIAL = ('slice', 'dynamic-slice', 'gather')

_INSTRUCTION = re.compile(
  r'\s*(?:ROOT )?%?([\w.-]+) = (\(.*?\)|\S+) ([a-z][\w-]*)\((.*)$'
)
_SHAPE = re.compile(r'([a-z]+\d*\w*)\[([\d,]*)\](?:\{([^}]*)\})?')
_COMMENT = re.compile(r'/\*.*?\*/')
_CALLED = re.compile(r'calls=%?([\w.-]+)')
_TILE = re.compile(r'T\(([\d,]+)\)')
_SPACE = re.compile(r'S\((\d+)\)')
_CYCLES = re.compile(r'"estimated_cycles":"(\d+)"')


class Collective(NamedTuple):
  """One exchange between devices.

  Attributes:
    kind: of COLLECTIVES.
    size: bytes of what it works on: the sum of an all-reduce, what an
      all-gather makes, what each device puts into the others.
    group: how many devices take part in one exchange.
  """

  kind: str
  size: int
  group: int

  @property
  def sent(self) -> float:
    """Bytes that each device sends if they stand in a ring.

    An all-reduce passes everything round twice but for its own share, the
    others once; a permutation sends what it has.
    """
    if self.kind == 'collective-permute':
      return float(self.size)
    share = (self.group - 1) / self.group
    return (2 if self.kind == 'all-reduce' else 1) * share * self.size


class Traffic(NamedTuple):
  """What one execution of a program moves on one device.

  Attributes:
    main_bytes: read from and written to its main memory (HBM), each operand
      and result of an operation once, tiles whole; not what stays in the
      memory on the chip, S(1) in XLA's words, nor what collectives do.
    collectives: each counted once.
    cycles: XLA's own estimate of the work of the fused operations, summed; 0
      where it gives none.
    loops: how often a loop stands in the program; what is in one is counted
      once, as XLA does.
  """

  main_bytes: int
  collectives: tuple[Collective, ...]
  cycles: int
  loops: int


class _Instruction(NamedTuple):
  name: str
  type: str
  opcode: str
  rest: str  # operands and attributes

  def operands(self) -> list[str]:
    return re.findall(r'%([\w.-]+)', self.rest.partition(')')[0])


def traffic(text: str, *, devices: int) -> Traffic:
  """Counts what a compiled program moves.

  Args:
    text: of the program, as `Compiled.as_text()` gives it.
    devices: on which it runs.

  Raises:
    ValueError: for a text that is no compiled program, or groups of devices
      that are written in an unknown way.
  """
  computations = _computations(text)
  collectives: list[Collective] = []
  main_bytes = cycles = loops = 0
  run = _run(computations)
  for name, instructions in computations.items():
    types = {each.name: each.type for each in instructions}
    for each in instructions:
      kind = each.opcode.removesuffix('-start')
      if kind in COLLECTIVES:
        collectives.append(_collective(each, kind, types, devices))
      elif name in run:
        main_bytes += _main_bytes(each, types, computations)
        found = _CYCLES.search(each.rest)
        cycles += int(found[1]) if found else 0
        loops += each.opcode == 'while'
  return Traffic(main_bytes, tuple(collectives), cycles, loops)


def _computations(text: str) -> dict[str, list[_Instruction]]:
  """Splits a program into its computations; '' is where it begins."""
  computations: dict[str, list[_Instruction]] = {}
  current: list[_Instruction] = []
  for line in text.splitlines():
    if line.endswith('{') and ' -> ' in line:
      name = line.split()[0].lstrip('%')
      current = computations.setdefault('' if name == 'ENTRY' else name, [])
    elif found := _INSTRUCTION.match(_COMMENT.sub('', line)):
      current.append(_Instruction(*found.groups()))
  if '' not in computations:
    raise ValueError(
      'expected the text of a compiled program, with a line that begins with '
      f'ENTRY, not {text[:40]!r}'
    )
  return computations


def _run(computations: Mapping[str, Sequence[_Instruction]]) -> set[str]:
  """Names the computations that run as they stand: not those of a fusion."""
  found, waiting = set(), ['']
  while waiting:
    name = waiting.pop()
    if name in found or name not in computations:
      continue
    found.add(name)
    for each in computations[name]:
      if each.opcode in _CALLS:
        _, _, attributes = each.rest.partition(')')
        waiting += re.findall(r'%([\w.-]+)', attributes)
  return found


def _collective(
  each: _Instruction, kind: str, types: Mapping[str, str], devices: int
) -> Collective:
  size = sum(_whole(types[name]) for name in each.operands())
  group = _group(each.rest, devices)
  return Collective(kind, size * (group if kind == 'all-gather' else 1), group)


def _group(attributes: str, devices: int) -> int:
  """Reads how many devices a collective joins, in any of XLA's spellings."""
  _, found, groups = attributes.partition('replica_groups=')
  if not found:
    return devices
  if listed := re.match(r'\{(?:\{([\d,]*)\}.*?)?\}', groups):
    return len(listed[1].split(',')) if listed[1] else devices
  if counted := re.match(r'\[(\d+),(\d+)\]<=', groups):
    return int(counted[2])
  if meshed := re.match(r'mesh\[(.*?)\] \{(.*?)\}', groups):
    sizes = dict(re.findall(r"'(\w+)'=(\d+)", meshed[1]))
    return math.prod(int(sizes[name]) for name in re.findall(r'\w+', meshed[2]))
  raise ValueError(
    'expected replica_groups as {{0,1}}, [1,2]<=[2] or mesh[...] {...}, not '
    f'{groups[:60]!r}'
  )


def _main_bytes(
  each: _Instruction,
  types: Mapping[str, str],
  computations: Mapping[str, Sequence[_Instruction]],
) -> int:
  if each.opcode in (*_STILL, *_CALLS) or each.opcode.endswith('-done'):
    return 0
  if each.opcode.endswith('-start'):
    return _moved(each.type)
  fused = _CALLED.search(each.rest) if each.opcode == 'fusion' else None
  parts = _parts(computations[fused[1]]) if fused else {}
  if each.opcode in _PARTIAL:
    parts = {0: _main(each.type)}
  read = 0
  for place, name in enumerate(each.operands()):
    whole = _main(types.get(name, ''))
    read += min(whole, parts.get(place, whole))
  return _main(each.type) + read


def _parts(fused: Sequence[_Instruction]) -> dict[int, int]:
  """Counts what a fusion reads of those operands of which it takes parts."""
  parts = {}
  for each in fused:
    if each.opcode == 'parameter':
      users = [user for user in fused if each.name in user.operands()]
      if users and all(
        user.opcode in _PARTIAL and user.operands()[0] == each.name
        for user in users
      ):
        place = int(each.rest.partition(')')[0])
        parts[place] = sum(_whole(user.type) for user in users)
  return parts


def _moved(type: str) -> int:
  """Counts an asynchronous copy, whose type holds both its ends.

  The smaller is what is moved: the other may be the array it is a slice of.
  """
  ends = [found for found in _SHAPE.finditer(type) if found[2]][:2]
  moved = min((_padded(end) for end in ends), default=0)
  return moved * sum(_in_main(end) for end in ends)


def _main(type: str) -> int:
  """Adds up the bytes of an array, or of a tuple's, in main memory."""
  return sum(
    _padded(found) for found in _SHAPE.finditer(type) if _in_main(found)
  )


def _whole(type: str) -> int:
  """Adds up the bytes of an array, or of a tuple's, wherever they are."""
  return sum(_bytes(found, _lengths(found)) for found in _SHAPE.finditer(type))


def _padded(shape: re.Match[str]) -> int:
  """Counts an array's bytes in memory, where tiles are whole."""
  lengths = _lengths(shape)
  order, _, tiles = (shape[3] or '').partition(':')
  tile = _TILE.match(tiles)
  if tile and order:
    sides = [int(n) for n in reversed(tile[1].split(','))]
    for axis, side in zip(map(int, order.split(',')), sides, strict=False):
      lengths[axis] = -(-lengths[axis] // side) * side
  return _bytes(shape, lengths)


def _lengths(shape: re.Match[str]) -> list[int]:
  return [int(n) for n in shape[2].split(',') if n]


def _bytes(shape: re.Match[str], lengths: Sequence[int]) -> int:
  return math.prod(lengths) * _BITS.get(shape[1], 0) // 8


def _in_main(shape: re.Match[str]) -> bool:
  space = _SPACE.search(shape[3] or '')
  return space is None or space[1] == '0'
