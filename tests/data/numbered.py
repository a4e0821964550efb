"""A source of images that hold their numbers."""

import dataclasses
from collections.abc import Collection

import numpy as np

from vaegan_jax.data import cache
from vaegan_jax.data.images import defects


@dataclasses.dataclass(frozen=True)
class Numbered:
  """Image i is full of i, its attributes are i and i + 1.

  Attributes:
    broken: the numbers of broken images.
    calls: records the spans of `read`, if it is a list.
  """

  size: tuple[int, int] = (8, 8)
  images: int = 600
  channels: int = 1
  shade: int = 0
  skip_broken: bool = False
  broken: Collection[int] = ()
  calls: list | None = None
  name = 'numbered:x/y'
  attribute_names = ('this', 'next')

  def fingerprint(self):
    return {'shade': self.shade}

  def stamp(self):
    return ''

  def length(self, split):
    return self.images if split != 'test' else 0

  def attributes(self, split):
    numbers = np.arange(self.images)
    return np.stack([numbers, numbers + 1], 1).astype(np.int16)

  def read(self, split, start, stop):
    if self.calls is not None:
      self.calls.append((start, stop))
    for number in range(start, stop):
      if number in self.broken:
        raise defects.BrokenImage(f'{number}.jpg', 'eaten by a dog')
    shape = (stop - start, *self.size, self.channels)
    numbers = (np.arange(start, stop) + self.shade) % 256
    return np.broadcast_to(numbers[:, None, None, None], shape).astype('u1')


def load(source, directory, split='train', **settings):
  return cache.load(
    source, split=split, directory=directory, progress=False, **settings
  )


def only(directory, name):
  """Returns the only file of a name."""
  (found,) = directory.rglob(name)
  return found
