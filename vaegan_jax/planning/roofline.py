"""The roofline of TPU slices: the least time of a program on them."""

from __future__ import annotations

import dataclasses
import math
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
  """One kind of TPU, as published."""

  flops: float  # operations a second of the matrix units, in bfloat16
  memory: int  # bytes of HBM that XLA's compiler grants a program
  bandwidth: float  # bytes a second from and to HBM
  link: float  # bytes a second of one link to a neighbour, each way
  wraps: int  # an axis whose length is a multiple of it is a ring
  shapes: tuple[str, ...]  # of the available slices
  clock: float | None = None  # cycles a second, where published


# Sources. Operations, HBM and its bandwidth, shapes: Google Cloud's pages
# docs.cloud.google.com/tpu/docs/v4, v5e, v5p and v6e. Links: their "inter-chip
# interconnect bandwidth per chip" over the 4 or 6 links (v5e 400 GB/s, v5p
# 1200, v6e 800, both ways); v4, links that wrap and the clock: Austin et al.,
# 2025, "How to Think About TPUs". Memory: of the 16, 32 and 95 GB, what
# libtpu 0.0.42.1 reports as available when a program is too large.
CHIPS = {
  'v4': Chip(275e12, int(30.75 * GIB), 1200e9, 45e9, 4, _CUBES),
  'v5e': Chip(197e12, int(15.75 * GIB), 819e9, 50e9, 16, _FLAT, 1.5e9),
  'v5p': Chip(459e12, int(95.74 * GIB), 2765e9, 100e9, 4, _CUBES),
  'v6e': Chip(918e12, int(31.25 * GIB), 1640e9, 100e9, 16, _FLAT),
}


class Slice(NamedTuple):
  """Linked chips: their kind, and their number on each axis."""

  kind: str
  shape: tuple[int, ...]

  @property
  def name(self) -> str:
    """Returns the notation that `parse` reads."""
    return f'{self.kind}:{"x".join(map(str, self.shape))}'

  @property
  def chip(self) -> Chip:
    """Returns the figures of one chip."""
    return CHIPS[self.kind]

  @property
  def chips(self) -> int:
    """Counts the chips."""
    return math.prod(self.shape)

  def links(self) -> int:
    """Counts the links over which a chip sends at the same time.

    Without a ring, the ends of an axis have one neighbour, and half of its
    links are idle at each moment of an exchange.
    """
    return sum(2 if self._wraps(n) else 1 for n in self.shape if n > 1)

  def hops(self) -> int:
    """Counts the links from a chip to the farthest one."""
    return sum(n // 2 if self._wraps(n) else n - 1 for n in self.shape)

  def _wraps(self, length: int) -> bool:
    # In three dimensions only slices of whole 4x4x4 cubes have rings.
    axes = self.shape if len(self.shape) == 3 else (length,)
    return all(n % self.chip.wraps == 0 for n in axes)


class Seconds(NamedTuple):
  """The parts of the least time of a program, each by itself."""

  compute: float
  memory: float
  exchange: float

  @property
  def total(self) -> float:
    """Returns the least time: computing and memory traffic overlap.

    Exchanges add to it, because XLA for TPUs keeps our all-reduces synchronous.
    """
    return max(self.compute, self.memory) + self.exchange


def parse(topology: str) -> Slice:
  """Reads a slice, such as 'v5e:4x4'.

  Raises:
    ValueError: for an unknown chip or shape, with the known ones.
  """
  kind, _, shape = topology.partition(':')
  if kind not in CHIPS:
    known = f'CHIP:SHAPE with a chip of {", ".join(CHIPS)}, such as v5e:4x4'
  elif shape not in CHIPS[kind].shapes:
    known = f'a slice of {kind}, of shape {", ".join(CHIPS[kind].shapes)}'
  else:
    return Slice(kind, tuple(map(int, shape.split('x'))))
  raise ValueError(f'--topology={topology}: expected {known}')


def exchange(where: Slice, collective: hlo.Collective) -> float:
  """Returns the least seconds of a collective between all chips.

  Either all links carry equal parts at the full rate, or the latency of the
  hops dominates: there and, for an all-reduce, back.
  """
  if where.chips == 1:
    return 0.0
  rate = where.links() * where.chip.link
  ways = 2 if collective.kind == 'all-reduce' else 1
  return max(collective.sent(where.chips) / rate, ways * where.hops() * HOP)
