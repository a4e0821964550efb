"""Tensors of PyTorch's weight files, read without unpickling.

A .pth file holds a pickle: a program, which `pickle.load` and `torch.load`
run. Here pickletools takes it apart, and the few operations that state
dictionaries consist of are followed by hand. Nothing is imported, no object
is made but dictionaries, tuples, numbers and texts, and any other operation
is an error: the worst that a hostile file can do is be refused.
"""

from __future__ import annotations

import io
import pathlib
import pickletools
import zipfile
from collections.abc import Callable, Mapping
from typing import IO, Any, NamedTuple, cast

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

# The first thing in a file of PyTorch before 1.6, which is no archive.
_MAGIC = 0x1950A86A20F9469CFC6C


class _Global(NamedTuple):
  """A name that the pickle would import."""

  name: str


class _Storage(NamedTuple):
  dtype: str
  key: str
  size: int


class _Tensor(NamedTuple):
  storage: _Storage
  offset: int
  shape: tuple[int, ...]
  strides: tuple[int, ...]


def read(path: pathlib.Path) -> dict[str, np.ndarray]:
  """Reads the tensors of a state dictionary that torch.save wrote.

  Args:
    path: of an archive (PyTorch 1.6 and later) or an older file.

  Raises:
    ValueError: the file holds something else, or is damaged.
  """
  with path.open('rb') as file:
    if zipfile.is_zipfile(file):
      found, storages = _read_archive(file)
    else:
      file.seek(0)
      found, storages = _read_legacy(file)
  if not isinstance(found, dict):
    raise ValueError(f'{path} holds no state dictionary')
  return {
    str(name): _array(tensor, storages)
    for name, tensor in found.items()
    if isinstance(tensor, _Tensor)
  }


def _read_archive(file: io.BufferedIOBase) -> tuple[Any, dict[str, bytes]]:
  with zipfile.ZipFile(file) as archive:
    names = archive.namelist()
    if any(f.compress_type != zipfile.ZIP_STORED for f in archive.infolist()):
      raise ValueError('a compressed archive: torch.save does not write such')
    programs = [name for name in names if name.endswith('/data.pkl')]
    if len(programs) != 1:
      raise ValueError(f'{len(programs)} data.pkl in the archive: expected one')
    folder = programs[0].removesuffix('data.pkl')
    order = f'{folder}byteorder'
    if order in names and archive.read(order) != b'little':
      raise ValueError('the archive is not little-endian: save it anew')
    found = _follow(io.BytesIO(archive.read(programs[0])))
    prefix = f'{folder}data/'
    storages = {
      name.removeprefix(prefix): archive.read(name)
      for name in names
      if name.startswith(prefix)
    }
  return found, storages


def _read_legacy(file: io.BufferedIOBase) -> tuple[Any, dict[str, bytes]]:
  """Reads four pickles, the keys of the storages, and each one's numbers."""
  if _follow(file) != _MAGIC:
    raise ValueError('no file of PyTorch: expected what torch.save wrote')
  _, system = _follow(file), _follow(file)
  if not (isinstance(system, dict) and system.get('little_endian') is True):
    raise ValueError('the file is not little-endian: save it anew')
  sizes: dict[str, int] = {}
  found = _follow(file, sizes)
  storages = {}
  for key in _follow(file):
    file.seek(8, io.SEEK_CUR)  # its length once more
    storages[key] = file.read(sizes.get(key, 0))
  return found, storages


def _array(tensor: _Tensor, storages: Mapping[str, bytes]) -> np.ndarray:
  """Cuts a tensor out of its storage, within the bounds of that."""
  storage, offset, shape, strides = tensor
  content = storages.get(storage.key, b'')
  dtype = np.dtype(storage.dtype)
  if len(content) % dtype.itemsize or len(strides) != len(shape):
    raise ValueError(f'storage {storage.key} is damaged')
  values = np.frombuffer(content, dtype)
  size: int = np.prod(shape, dtype=object)
  if not size:
    return np.zeros(shape, dtype)
  steps = zip(shape, strides, strict=True)
  last = offset + sum((n - 1) * stride for n, stride in steps)
  # A stride of 0 could blow a number up to any size.
  if min(offset, *strides, 0) < 0 or max(size, last + 1) > len(values):
    raise ValueError(f'storage {storage.key} is too short for its tensor')
  in_bytes = [stride * dtype.itemsize for stride in strides]
  view = np.lib.stride_tricks.as_strided(values[offset:], shape, in_bytes)
  return view.copy()


def _follow(
  file: io.BufferedIOBase, sizes: dict[str, int] | None = None
) -> Any:
  """Gives what a pickle describes.

  Args:
    file: left behind the end of the pickle.
    sizes: gets the bytes of each storage that the pickle names.
  """
  machine = _Machine({} if sizes is None else sizes)
  try:
    for operation, argument, _ in pickletools.genops(cast(IO[bytes], file)):
      machine.step(operation.name, argument)
    return machine.stack.pop()
  except (IndexError, KeyError, TypeError, AttributeError) as error:
    raise ValueError(f'the file is damaged: {error!r}') from error


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
    self.stack[-2:] = [_Global(f'{module} {name}')]

  def _append(self, _: Any) -> None:
    item = self.stack.pop()
    self.stack[-1].append(item)

  def _appends(self, _: Any) -> None:
    items = self._since_mark()
    self.stack[-1].extend(items)

  def _set_item(self, _: Any) -> None:
    value, name = self.stack.pop(), self.stack.pop()
    self.stack[-1][name] = value

  def _set_items(self, _: Any) -> None:
    items = self._since_mark()
    pairs = zip(items[::2], items[1::2], strict=True)
    self.stack[-1].update(pairs)

  def _build(self, _: Any) -> None:
    self.stack.pop()  # attributes, as a dictionary's _metadata: not needed

  def _storage(self, _: Any) -> None:
    kind, type_, key, _location, size, *_view = self.stack.pop()
    if kind != 'storage' or type_.name not in _DTYPES:
      raise ValueError(f'a {kind} of {type_} is refused: expected numbers')
    storage = _Storage(_DTYPES[type_.name], key, size)
    self._sizes[key] = size * np.dtype(storage.dtype).itemsize
    self.stack.append(storage)

  def _call(self, _: Any) -> None:
    arguments, function = self.stack.pop(), self.stack.pop()
    name = function.name
    if name == _DICTIONARY and not arguments:
      self.stack.append({})
    elif name == _TENSOR:
      self.stack.append(_Tensor(*arguments[:4]))
    elif name == _PARAMETER:
      self.stack.append(arguments[0])
    else:
      raise ValueError(f'the file asks to call {name}: it is refused')


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
