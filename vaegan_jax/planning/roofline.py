"""What chips can do at most, and so the least time that a program takes."""

from __future__ import annotations

import dataclasses
import difflib
import math
from collections.abc import Iterable
from typing import NamedTuple

from vaegan_jax.planning import hlo

GIB = 1 << 30

# Seconds from a chip to the next.
# Source: Austin et al., How to Scale Your Model, 2025, "Sharded Matrices".
HOP = 1e-6

_FLAT = ('1x1', '2x2', '2x4', '4x4', '4x8', '8x8', '8x16', '16x16')
_CUBES = (
  *('2x2x1', '2x2x2', '2x2x4', '2x4x4', '4x4x4', '4x4x8', '4x8x8'),
  *('8x8x8', '8x8x16', '8x16x16', '16x16x16'),
)


@dataclasses.dataclass(frozen=True)
class Chip:
  """One kind of TPU, as published.

  Attributes:
    flops: operations a second of the matrix units, in bfloat16.
    memory: bytes of HBM that XLA's compiler for this chip allows a program.
    bandwidth: bytes a second from and to HBM.
    link: bytes a second that one link to a neighbour carries each way.
    wraps: along an axis that is a multiple of it the last chip is linked with
      the first.
    shapes: of the slices that can be had.
    clock: cycles a second, where published.
  """

  flops: float
  memory: int
  bandwidth: float
  link: float
  wraps: int
  shapes: tuple[str, ...]
  clock: float | None = None


# Sources. Operations, HBM and its bandwidth, shapes: Google Cloud's pages
# docs.cloud.google.com/tpu/docs/v4, v5e, v5p and v6e. Links: their "inter-chip
# interconnect bandwidth per chip" over the 4 or 6 links (v5e 400 GB/s, v5p
# 1200, v6e 800, both ways); v4, links that wrap and the clock: Austin et al.,
# 2025, "How to Think About TPUs". Memory: of the 16, 32 and 95 GB, what
# libtpu 0.0.42.1 says is available when a program is too large.
CHIPS = {
  'v4': Chip(275e12, int(30.75 * GIB), 1200e9, 45e9, 4, _CUBES),
  'v5e': Chip(197e12, int(15.75 * GIB), 819e9, 50e9, 16, _FLAT, 1.5e9),
  'v5p': Chip(459e12, int(95.74 * GIB), 2765e9, 100e9, 4, _CUBES),
  'v6e': Chip(918e12, int(31.25 * GIB), 1640e9, 100e9, 16, _FLAT),
}


class Slice(NamedTuple):
  """Chips that are linked with each other.

  Attributes:
    kind: of CHIPS.
    shape: how many chips along each axis.
  """

  kind: str
  shape: tuple[int, ...]

  @property
  def name(self) -> str:
    """Gives what `parse` reads."""
    return f'{self.kind}:{"x".join(map(str, self.shape))}'

  @property
  def chip(self) -> Chip:
    """Gives what each of the chips can do."""
    return CHIPS[self.kind]

  @property
  def chips(self) -> int:
    """Counts the chips."""
    return math.prod(self.shape)

  def links(self) -> int:
    """Counts the links over which a chip can send to others at a time.

    Where an axis does not wrap, half of its links are idle at each moment of
    an exchange: those at its ends lead nowhere.
    """
    return sum(2 if self._wraps(n) else 1 for n in self.shape if n > 1)

  def hops(self) -> int:
    """Counts the links from a chip to the farthest, axis by axis."""
    return sum(n // 2 if self._wraps(n) else n - 1 for n in self.shape)

  def _wraps(self, length: int) -> bool:
    wrapped = length % self.chip.wraps == 0
    if len(self.shape) == 3:  # only whole cubes of 4x4x4 are switched so
      return wrapped and all(n % self.chip.wraps == 0 for n in self.shape)
    return wrapped


class Seconds(NamedTuple):
  """The parts of the least time of a program, each as if it were alone."""

  compute: float
  memory: float
  exchange: float

  @property
  def total(self) -> float:
    """Gives the least time: what is computed hides what is fetched, or else.

    The exchanges come on top: XLA for TPUs leaves our all-reduces synchronous,
    each waits for what it sums up and is waited for.
    """
    return max(self.compute, self.memory) + self.exchange


def parse(topology: str) -> Slice:
  """Reads such as 'v5e:4x4'.

  Raises:
    ValueError: for chips or shapes that are not known, with those that are.
  """
  kind, _, shape = topology.partition(':')
  known = CHIPS.get(kind)
  if known is None:
    near = difflib.get_close_matches(kind, CHIPS, n=1)
    raise ValueError(
      f'--topology={topology}: expected CHIP:SHAPE with a chip of '
      f'{", ".join(CHIPS)}, such as {near[0] if near else "v5e"}:4x4'
    )
  if shape not in known.shapes:
    raise ValueError(
      f'--topology={topology}: slices of {kind} have the shapes '
      f'{", ".join(known.shapes)}'
    )
  return Slice(kind, tuple(map(int, shape.split('x'))))


def seconds(
  where: Slice,
  *,
  flops: float,
  main_bytes: float,
  collectives: Iterable[hlo.Collective] = (),
) -> Seconds:
  """Gives the least time in which the chips can do what a program asks of each.

  Args:
    where: the chips.
    flops: floating point operations of each chip.
    main_bytes: from and to the HBM of each chip.
    collectives: of each chip, over all of them.
  """
  chip = where.chip
  return Seconds(
    flops / chip.flops,
    main_bytes / chip.bandwidth,
    sum(exchange(where, each) for each in collectives),
  )


def exchange(where: Slice, collective: hlo.Collective) -> float:
  """Gives the least seconds of a collective over all chips.

  All links carry an equal part at full rate, or the time is that of the hops
  alone: there and, for a sum that all are to have, back.
  """
  if collective.group < 2:
    return 0.0
  rate = where.links() * where.chip.link
  ways = 2 if collective.kind == 'all-reduce' else 1
  return max(collective.sent / rate, ways * where.hops() * HOP)
