"""What a pickle of tensors describes, followed without running it.

A pickle is a program. Here pickletools takes it apart, and the few operations
that dictionaries of tensors consist of are followed by hand. Nothing is
imported, no object is made but dictionaries, tuples, numbers and texts, and
any other operation is an error: the worst that a hostile file can do is be
refused.
"""

from __future__ import annotations

import io
import pickletools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

_DTYPES = {
  'torch FloatStorage': '<f4',
  'torch DoubleStorage': '<f8',
  'torch HalfStorage': '<f2',
  'torch LongStorage': '<i8',
  'torch IntStorage': '<i4',
}
_DICTIONARY = 'collections OrderedDict'
_TENSOR = 'torch._utils _rebuild_tensor_v2'
_PARAMETER = 'torch._utils _rebuild_parameter'


class _Global(NamedTuple):
  """A name that the pickle would import."""

  name: str


class Storage(NamedTuple):
  """Numbers that lie beside the pickle: their type, name and count."""

  dtype: str
  key: str
  size: int


class Tensor(NamedTuple):
  """A view of a storage, its offset and strides counted in numbers."""

  storage: Storage
  offset: int
  shape: tuple[int, ...]
  strides: tuple[int, ...]


def follow(file: io.BytesIO, sizes: dict[str, int] | None = None) -> Any:
  """Gives what a pickle describes.

  Args:
    file: left behind the end of the pickle.
    sizes: gets the bytes of each storage that the pickle names.

  Raises:
    ValueError: it asks for what no dictionary of tensors needs. Of a damaged
      one pickletools may raise others.
  """
  machine = _Machine({} if sizes is None else sizes)
  for operation, argument, _ in pickletools.genops(file):
    machine.step(operation.name, argument)
  return machine.stack.pop()


class _Machine:
  """Follows a pickle's operations with data only."""

  def __init__(self, sizes: dict[str, int]):
    self.stack: list[Any] = []
    self._marks: list[int] = []
    self._memo: dict[int, Any] = {}
    self._sizes = sizes

  def step(self, name: str, argument: Any) -> None:
    """Does what one operation says."""
    if name in _IGNORED:
      return
    if name in _LITERALS:
      self.stack.append(argument)
    elif name in _CONSTANTS:
      self.stack.append(_CONSTANTS[name]())
    elif name.startswith('TUPLE') and name != 'TUPLE':
      self._join(len(self.stack) - int(name[-1]))
    elif method := _METHODS.get(name):
      method(self, argument)
    else:
      raise ValueError(
        f'the file asks for {name}, which no dictionary of tensors needs: it '
        'is refused'
      )

  def _mark(self, _: Any) -> None:
    self._marks.append(len(self.stack))

  def _join(self, start: int) -> None:
    if start < 0:
      raise IndexError(start)
    self.stack[start:] = [tuple(self.stack[start:])]

  def _since_mark(self) -> list[Any]:
    start = self._marks.pop()
    items = self.stack[start:]
    del self.stack[start:]
    return items

  def _tuple(self, _: Any) -> None:
    self._join(self._marks.pop())

  def _put(self, place: Any) -> None:
    self._memo[len(self._memo) if place is None else place] = self.stack[-1]

  def _get(self, place: int) -> None:
    self.stack.append(self._memo[place])

  def _global(self, name: str) -> None:
    self.stack.append(_Global(name))

  def _stack_global(self, _: Any) -> None:
    module, name = self.stack[-2:]
    _check_text(module, name)
    self.stack[-2:] = [_Global(f'{module} {name}')]

  def _append(self, _: Any) -> None:
    item = self.stack.pop()
    self.stack[-1].append(item)

  def _appends(self, _: Any) -> None:
    items = self._since_mark()
    self.stack[-1].extend(items)

  def _set_item(self, _: Any) -> None:
    value, name = self.stack.pop(), self.stack.pop()
    _check_text(name)
    self.stack[-1][name] = value

  def _set_items(self, _: Any) -> None:
    items = self._since_mark()
    _check_text(*items[::2])
    pairs = zip(items[::2], items[1::2], strict=True)
    self.stack[-1].update(pairs)

  def _build(self, _: Any) -> None:
    self.stack.pop()  # attributes, as a dictionary's _metadata: not needed

  def _storage(self, _: Any) -> None:
    kind, type_, key, _location, size, *_view = self.stack.pop()
    _check_text(kind, key)
    _check_counts(size)
    if kind != 'storage' or type_.name not in _DTYPES:
      raise ValueError(f'a {kind} of {type_.name} is refused: expected numbers')
    storage = Storage(_DTYPES[type_.name], key, size)
    self._sizes[key] = size * np.dtype(storage.dtype).itemsize
    self.stack.append(storage)

  def _call(self, _: Any) -> None:
    arguments, function = self.stack.pop(), self.stack.pop()
    name = function.name
    if name == _DICTIONARY and not arguments:
      self.stack.append({})
    elif name == _TENSOR:
      self.stack.append(_tensor(*arguments[:4]))
    elif name == _PARAMETER:
      self.stack.append(arguments[0])
    else:
      raise ValueError(f'the file asks to call {name}: it is refused')


def _tensor(storage: Any, offset: Any, shape: Any, strides: Any) -> Tensor:
  """Checks what a tensor is said to be."""
  if not isinstance(storage, Storage):
    raise ValueError('a tensor without a storage')
  _check_counts(offset, *shape, *strides)
  return Tensor(storage, offset, tuple(shape), tuple(strides))


def _check_text(*names: Any) -> None:
  """Refuses names of another type: those of nested tuples never end."""
  if not all(isinstance(name, str) for name in names):
    raise ValueError('a name that is no text is refused')


def _check_counts(*numbers: Any) -> None:
  if not all(type(n) is int and 0 <= n < 2**63 for n in numbers):
    raise ValueError('a size that is no whole number is refused')


_IGNORED = {'PROTO', 'FRAME', 'STOP'}
_LITERALS = {
  *('BININT', 'BININT1', 'BININT2', 'LONG1', 'BINFLOAT'),
  *('BINUNICODE', 'SHORT_BINUNICODE', 'BINUNICODE8'),
}
_CONSTANTS: dict[str, Callable[[], Any]] = {
  'NONE': lambda: None,
  'NEWTRUE': lambda: True,
  'NEWFALSE': lambda: False,
  'EMPTY_DICT': dict,
  'EMPTY_LIST': list,
  'EMPTY_TUPLE': tuple,
}
_METHODS: dict[str, Callable[[_Machine, Any], None]] = {
  'MARK': _Machine._mark,
  'TUPLE': _Machine._tuple,
  'BINPUT': _Machine._put,
  'LONG_BINPUT': _Machine._put,
  'MEMOIZE': _Machine._put,
  'BINGET': _Machine._get,
  'LONG_BINGET': _Machine._get,
  'GLOBAL': _Machine._global,
  'STACK_GLOBAL': _Machine._stack_global,
  'APPEND': _Machine._append,
  'APPENDS': _Machine._appends,
  'SETITEM': _Machine._set_item,
  'SETITEMS': _Machine._set_items,
  'BUILD': _Machine._build,
  'BINPERSID': _Machine._storage,
  'REDUCE': _Machine._call,
}
