"""Broken images: a few are left out, more of them stop the run."""

from __future__ import annotations

import errno
import logging
import pathlib
import struct
import tarfile
import tokenize
import zipfile
import zlib
from collections.abc import Sequence

from PIL import Image

_LOGGER = logging.getLogger(__name__)

# Raised by some version of PIL, NumPy, zipfile or tarfile for a damaged file.
READ_ERRORS = (
  OSError,
  EOFError,
  ValueError,
  SyntaxError,
  TypeError,
  AttributeError,
  LookupError,
  ArithmeticError,
  RuntimeError,
  MemoryError,
  struct.error,
  tokenize.TokenError,
  zlib.error,
  tarfile.TarError,
  zipfile.BadZipFile,
  Image.DecompressionBombError,
)

# What a disk or a process lacks for a while; the image may be intact.
_PASSING = {
  *(errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENODEV, errno.ENOTCONN),
  *(errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EINTR),
}

# The fraction of a split that may be broken without `skip_broken`.
TOLERATED = 0.001

# Names that a message lists before it ends with an ellipsis.
_LISTED = 3


class BrokenImage(ValueError):
  """Reports an image that is missing, damaged or unsuitable.

  Attributes:
    name: the image's name.
    reason: the defect and its remedy.
  """

  def __init__(self, name: str, reason: str):
    super().__init__(name, reason)
    self.name, self.reason = name, reason

  def __str__(self) -> str:
    """Returns name and reason."""
    return f'{printable(self.name)}: {self.reason}'


def raise_if_passing(error: Exception, *, name: str) -> None:
  """Raises an error that says nothing about the image that was read.

  Such an image must not be left out, now or by a cache.

  Raises:
    MemoryError: there was too little memory.
    OSError: the disk failed, or has no more files to open.
  """
  if isinstance(error, MemoryError):
    raise MemoryError(
      f'{printable(name)}: too little memory to read it; free some, or '
      'remove the image if others of its size can be read'
    ) from error
  if isinstance(error, OSError) and error.errno in _PASSING:
    raise OSError(
      error.errno, f'{printable(name)} could not be read: {error.strerror}'
    ) from error


def check(
  broken: Sequence[BrokenImage],
  total: int,
  *,
  label: str,
  skip: bool,
  partial: bool = False,
) -> None:
  """Raises an error if more than a thousandth of the images are broken.

  Args:
    broken: the broken images found so far.
    total: the number of images of the split.
    label: source and split, for the error message.
    skip: accept any number, `config.data.skip_broken`.
    partial: whether there may be more broken ones.

  Raises:
    ValueError: too many images are broken, or all of them.
  """
  if len(broken) <= TOLERATED * total or (skip and len(broken) < total):
    return
  remedy = 'repair or remove them'
  if len(broken) < total:
    remedy += ', or leave them out with --config.data.skip_broken=True'
  least = 'at least ' if partial else ''
  raise ValueError(f'{least}{_describe(broken, total, label=label)}; {remedy}')


def warn(
  broken: Sequence[BrokenImage], total: int, *, label: str, record: pathlib.Path
) -> None:
  """Logs how many images are left out, if any, and the first reason.

  Args:
    broken: the broken images.
    total: the number of images of the split.
    label: source and split.
    record: the file that names all of them.
  """
  if broken:
    description = _describe(broken, total, label=label)
    others = f' {record} names all.' if len(broken) > _LISTED else ''
    _LOGGER.warning('%s. They are left out.%s', description, others)


def summarize(names: Sequence[str], total: int, *, unit: str = 'images') -> str:
  """Counts names and lists the first: '5 of 8 images (a, b, c, ...)'."""
  return f'{len(names)} of {total} {unit} ({few(names)})'


def few(names: Sequence[str]) -> str:
  """Lists the first names: 'a, b, c, ...'."""
  first = ', '.join(map(printable, names[:_LISTED]))
  return first + ', ...' * (len(names) > _LISTED)


def printable(name: str) -> str:
  """Escapes what a terminal or a log cannot show, such as bytes of no text."""
  return ''.join(
    c if c.isprintable() else ascii(c)[1:-1].replace('udc', 'x') for c in name
  )


def _describe(broken: Sequence[BrokenImage], total: int, *, label: str) -> str:
  summary = summarize([image.name for image in broken], total)
  return f'{summary} of {label} cannot be used. {broken[0]}'
